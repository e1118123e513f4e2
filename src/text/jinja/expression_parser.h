// The grammar of expressions, Jinja's own.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "text/jinja/ast.h"
#include "text/jinja/lexer.h"

namespace instructblip::jinja {

// Reads expressions off a list of tokens that ends with `end`. Every function throws
// Error(unsupported) naming the line.
class ExpressionParser {
 public:
  explicit ExpressionParser(std::span<const Token> tokens) : tokens_(tokens) {}

  const Token& peek(std::size_t ahead = 0) const;
  const Token& take();
  bool is_sign(std::string_view sign) const;
  bool is_name(std::string_view name) const;
  bool at_end_of_tag() const;
  bool take_sign(std::string_view sign);  // whether it was there
  bool take_name(std::string_view name);
  void expect_sign(std::string_view sign);
  std::string expect_name(const char* what);  // not a keyword

  // Where it stands, and whether the name has come since then.
  std::size_t place() const { return at_; }
  bool names_since(std::size_t place, std::string_view name) const;

  Expression expression();               // with `a if b else c`
  Expression tuple();                    // one or, with commas, a tuple of them
  Expression disjunction();              // without `if`
  Expression filter(Expression value);   // behind its '|'
  Expression filters(Expression value);  // any number of them

 private:
  static void settle(Expression& expression);  // its depth, once it has all its operands
  Expression make(Expression::Kind kind, std::vector<Expression> operands, std::string name = {});
  Expression conjunction();
  Expression negation();
  Expression comparison();
  Expression sum();
  Expression concatenation();
  Expression product();
  Expression power();
  Expression unary(bool with_filters = true);
  Expression primary();
  Expression postfix(Expression value);
  Expression subscript(Expression value);
  Expression test(Expression value);
  Expression list(std::string_view close);
  Expression dict();
  void arguments(Expression& call);

  std::span<const Token> tokens_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace instructblip::jinja
