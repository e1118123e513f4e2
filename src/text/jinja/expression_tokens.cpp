// How ExpressionParser walks over tokens.
#include "text/jinja/expression_parser.h"

namespace instructblip::jinja {

const Token& ExpressionParser::peek(std::size_t ahead) const {
  return tokens_[std::min(at_ + ahead, tokens_.size() - 1)];
}

const Token& ExpressionParser::take() {
  const Token& token = peek();
  ++at_;
  return token;
}

bool ExpressionParser::is_sign(std::string_view sign) const {
  return peek().kind == Token::Kind::sign && peek().text == sign;
}

bool ExpressionParser::is_name(std::string_view name) const {
  return peek().kind == Token::Kind::name && peek().text == name;
}

bool ExpressionParser::take_sign(std::string_view sign) {
  if (!is_sign(sign)) return false;
  ++at_;
  return true;
}

bool ExpressionParser::take_name(std::string_view name) {
  if (!is_name(name)) return false;
  ++at_;
  return true;
}

void ExpressionParser::expect_sign(std::string_view sign) {
  if (!take_sign(sign)) refuse(peek().line, "expected '" + std::string(sign) + "'");
}

}  // namespace instructblip::jinja
