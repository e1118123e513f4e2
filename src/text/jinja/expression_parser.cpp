#include "text/jinja/expression_parser.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string>
#include <type_traits>
#include <utility>

#include "core/limits.h"

namespace instructblip::jinja {
namespace {

using Kind = Expression::Kind;

constexpr std::array<std::string_view, 8> kKeywords = {"and",  "or", "not", "if",
                                                       "else", "in", "is",  "for"};
bool is_keyword(std::string_view name) {
  return std::ranges::find(kKeywords, name) != kKeywords.end();
}

Value constant(const std::string& name) {
  if (name == "true" || name == "True") return Value::of(true);
  if (name == "false" || name == "False") return Value::of(false);
  return name == "none" || name == "None" ? Value::none() : Value();
}

template <typename Number>
Number number_of(const Token& token) {
  Number value{};
  std::string digits = token.text;
  std::erase(digits, '_');
  const char* first = digits.data();
  const char* const last = first + digits.size();
  std::from_chars_result result{};
  if constexpr (std::is_integral_v<Number>) {
    const char letter = digits.size() > 2 ? static_cast<char>(digits[1] | 0x20) : '\0';
    const int base = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 10;
    if (base != 10) first += 2;
    result = std::from_chars(first, last, value, base);
  } else {
    result = std::from_chars(first, last, value);
  }
  const auto [end, fault] = result;
  if (fault != std::errc() || end != last) refuse(token.line, "the number " + token.text);
  return value;
}

// Bounds how deep one bracket, operator or filter may stand in another.
class Deeper {
 public:
  Deeper(int& depth, int line) : depth_(depth) {
    if (++depth_ > limits::kTemplateDepth) refuse(line, "an expression nested too deep");
  }
  ~Deeper() { --depth_; }
  Deeper(const Deeper&) = delete;
  Deeper& operator=(const Deeper&) = delete;

 private:
  int& depth_;
};

}  // namespace

std::string ExpressionParser::expect_name(const char* what) {
  if (peek().kind != Token::Kind::name || is_keyword(peek().text)) {
    refuse(peek().line, std::string("expected ") + what);
  }
  return take().text;
}

void ExpressionParser::settle(Expression& expression) {
  for (const Expression& operand : expression.operands) {
    expression.depth = std::max(expression.depth, operand.depth + 1);
  }
  if (expression.depth > 4 * limits::kTemplateDepth) {
    refuse(expression.line, "an expression nested too deep");
  }
}

Expression ExpressionParser::make(Kind kind, std::vector<Expression> operands, std::string name) {
  Expression expression{.kind = kind, .line = peek().line};
  expression.name = std::move(name);
  expression.operands = std::move(operands);
  settle(expression);
  return expression;
}

Expression ExpressionParser::tuple() {
  Expression first = expression();
  if (!is_sign(",")) return first;
  Expression all = make(Kind::tuple, {});
  all.operands.push_back(std::move(first));
  while (take_sign(",") && !at_end_of_tag()) all.operands.push_back(expression());
  settle(all);
  return all;
}

bool ExpressionParser::names_since(std::size_t place, std::string_view name) const {
  return std::ranges::any_of(tokens_.subspan(place, at_ - place), [&](const Token& token) {
    return token.kind == Token::Kind::name && token.text == name;
  });
}

bool ExpressionParser::at_end_of_tag() const {
  return peek().kind == Token::Kind::block_end || peek().kind == Token::Kind::print_end;
}

Expression ExpressionParser::expression() {
  const Deeper deeper(depth_, peek().line);
  Expression value = disjunction();
  while (take_name("if")) {
    Expression condition = disjunction();
    std::vector<Expression> operands;
    operands.push_back(std::move(value));
    operands.push_back(std::move(condition));
    if (take_name("else")) operands.push_back(expression());
    value = make(Kind::conditional, std::move(operands));
  }
  return value;
}

Expression ExpressionParser::disjunction() {
  Expression left = conjunction();
  while (take_name("or")) left = make(Kind::binary, {std::move(left), conjunction()}, "or");
  return left;
}

Expression ExpressionParser::conjunction() {
  Expression left = negation();
  while (take_name("and")) left = make(Kind::binary, {std::move(left), negation()}, "and");
  return left;
}

Expression ExpressionParser::negation() {
  const Deeper deeper(depth_, peek().line);
  if (take_name("not")) return make(Kind::unary, {negation()}, "not");
  return comparison();
}

Expression ExpressionParser::comparison() {
  constexpr std::array<std::string_view, 6> kSigns = {"==", "!=", "<", ">", "<=", ">="};
  Expression result = make(Kind::comparison, {});
  result.operands.push_back(sum());
  while (true) {
    const auto sign = std::ranges::find_if(kSigns, [&](auto known) { return is_sign(known); });
    if (sign != kSigns.end()) {
      take();
      result.names.emplace_back(*sign);
    } else if (take_name("in")) {
      result.names.emplace_back("in");
    } else if (is_name("not") && peek(1).kind == Token::Kind::name && peek(1).text == "in") {
      at_ += 2;
      result.names.emplace_back("not in");
    } else {
      break;
    }
    result.operands.push_back(sum());
  }
  if (result.names.empty()) return std::move(result.operands.front());
  settle(result);
  return result;
}

Expression ExpressionParser::sum() {
  Expression left = concatenation();
  while (is_sign("+") || is_sign("-")) {
    const std::string sign = take().text;
    left = make(Kind::binary, {std::move(left), concatenation()}, sign);
  }
  return left;
}

Expression ExpressionParser::concatenation() {
  Expression left = product();
  while (take_sign("~")) left = make(Kind::binary, {std::move(left), product()}, "~");
  return left;
}

Expression ExpressionParser::product() {
  Expression left = power();
  while (is_sign("*") || is_sign("/") || is_sign("//") || is_sign("%")) {
    const std::string sign = take().text;
    left = make(Kind::binary, {std::move(left), power()}, sign);
  }
  return left;
}

Expression ExpressionParser::power() {
  Expression left = unary();
  while (take_sign("**")) left = make(Kind::binary, {std::move(left), unary()}, "**");
  return left;
}

Expression ExpressionParser::unary(bool with_filters) {
  const Deeper deeper(depth_, peek().line);
  Expression value;
  if (is_sign("-") || is_sign("+")) {
    const std::string sign = take().text;
    value = make(Kind::unary, {unary(/*with_filters=*/false)}, sign);
  } else {
    value = primary();
  }
  value = postfix(std::move(value));
  return with_filters ? filters(std::move(value)) : value;
}

Expression ExpressionParser::primary() {
  const Token& token = peek();
  Expression value = make(Kind::literal, {});
  if (token.kind == Token::Kind::name) {
    if (is_keyword(token.text)) refuse(token.line, "expected a value, got '" + token.text + "'");
    value.value = constant(take().text);
    if (value.value.is_undefined()) {
      value.kind = Kind::name;
      value.name = token.text;
    }
  } else if (token.kind == Token::Kind::string) {
    std::string text;
    while (peek().kind == Token::Kind::string) text += take().text;
    value.value = Value::of(std::move(text));
  } else if (token.kind == Token::Kind::integer) {
    value.value = Value::of(number_of<std::int64_t>(take()));
  } else if (token.kind == Token::Kind::real) {
    value.value = Value::of(number_of<double>(take()));
  } else if (take_sign("(")) {
    if (take_sign(")")) return make(Kind::tuple, {});
    value = expression();
    if (is_sign(",")) {
      Expression rest = make(Kind::tuple, {});
      rest.operands.push_back(std::move(value));
      while (take_sign(",") && !is_sign(")")) rest.operands.push_back(expression());
      settle(rest);
      value = std::move(rest);
    }
    expect_sign(")");
  } else if (take_sign("[")) {
    value = list("]");
  } else if (take_sign("{")) {
    value = dict();
  } else {
    refuse(token.line,
           "expected a value" + (token.text.empty() ? "" : ", got '" + token.text + "'"));
  }
  return value;
}

Expression ExpressionParser::list(std::string_view close) {
  Expression all = make(Kind::list, {});
  while (!take_sign(close)) {
    all.operands.push_back(expression());
    if (!is_sign(close)) expect_sign(",");
  }
  settle(all);
  return all;
}

Expression ExpressionParser::dict() {
  Expression all = make(Kind::dict, {});
  while (!take_sign("}")) {
    all.operands.push_back(expression());
    expect_sign(":");
    all.operands.push_back(expression());
    if (!is_sign("}")) expect_sign(",");
  }
  settle(all);
  return all;
}

void ExpressionParser::arguments(Expression& call) {
  while (!take_sign(")")) {
    const Token& following = peek(1);
    std::string name;
    if (peek().kind == Token::Kind::name && following.kind == Token::Kind::sign &&
        following.text == "=") {
      name = take().text;
      take();
    } else if (is_sign("*") || is_sign("**")) {
      name = take().text;
    }
    call.names.push_back(std::move(name));
    call.operands.push_back(expression());
    if (!is_sign(")")) expect_sign(",");
  }
  settle(call);
}

Expression ExpressionParser::postfix(Expression value) {
  while (true) {
    if (take_sign(".")) {
      if (peek().kind == Token::Kind::integer) {
        Expression place = make(Kind::literal, {});
        place.value = Value::of(number_of<std::int64_t>(take()));
        value = make(Kind::subscript, {std::move(value), std::move(place)});
        continue;
      }
      if (peek().kind != Token::Kind::name) refuse(peek().line, "expected a name behind '.'");
      value = make(Kind::attribute, {std::move(value)}, take().text);
    } else if (take_sign("[")) {
      value = subscript(std::move(value));
    } else if (take_sign("(")) {
      value = make(Kind::call, {std::move(value)});
      arguments(value);
    } else {
      return value;
    }
  }
}

Expression ExpressionParser::subscript(Expression value) {
  std::vector<Expression> parts(3, make(Kind::literal, {}));
  for (Expression& part : parts) part.value = Value::none();
  std::size_t count = 0;
  bool sliced = false;
  while (!is_sign("]")) {
    if (take_sign(":")) {
      sliced = true;
      if (++count == parts.size()) refuse(peek().line, "a slice of more than three parts");
    } else {
      parts[count] = expression();
      if (!is_sign(":") && !is_sign("]")) refuse(peek().line, "expected ']'");
    }
  }
  if (peek(0).kind == Token::Kind::sign) expect_sign("]");
  if (!sliced) {
    if (parts[0].kind == Kind::literal && parts[0].value.is_none()) {
      refuse(peek().line, "expected a subscript");
    }
    return make(Kind::subscript, {std::move(value), std::move(parts[0])});
  }
  return make(Kind::slice,
              {std::move(value), std::move(parts[0]), std::move(parts[1]), std::move(parts[2])});
}

Expression ExpressionParser::filter(Expression value) {
  Expression result = make(Kind::filter, {std::move(value)}, expect_name("the name of a filter"));
  if (take_sign("(")) arguments(result);
  return result;
}

Expression ExpressionParser::filters(Expression value) {
  while (true) {
    if (take_sign("|")) {
      value = filter(std::move(value));
    } else if (take_name("is")) {
      value = test(std::move(value));
    } else if (take_sign("(")) {  // what a filter gave is called
      value = make(Kind::call, {std::move(value)});
      arguments(value);
    } else {
      return value;
    }
  }
}

Expression ExpressionParser::test(Expression value) {
  const bool negated = take_name("not");
  if (peek().kind != Token::Kind::name) refuse(peek().line, "expected the name of a test");
  Expression result = make(Kind::test, {std::move(value)}, take().text);  // `in` is one
  using T = Token::Kind;
  const Token& token = peek();
  const bool opens = token.kind == T::sign && (token.text == "[" || token.text == "{");
  const bool named = token.kind == T::name && !is_keyword(token.text);
  if (take_sign("(")) {
    arguments(result);
  } else if (named || opens || token.kind == T::string || token.kind == T::integer ||
             token.kind == T::real) {
    result.names.emplace_back();
    result.operands.push_back(postfix(primary()));
  }
  settle(result);
  return negated ? make(Kind::unary, {std::move(result)}, "not") : result;
}

}  // namespace instructblip::jinja
