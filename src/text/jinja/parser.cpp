// Statements: what stands in {% %}.
#include <algorithm>
#include <array>
#include <initializer_list>
#include <utility>

#include "core/limits.h"
#include "text/jinja/expression_parser.h"

namespace instructblip::jinja {
namespace {

using Kind = Statement::Kind;
using Ends = std::initializer_list<std::string_view>;

class Parser {
 public:
  explicit Parser(std::span<const Token> tokens) : read_(tokens) {}

  Body run() { return block({}); }

 private:
  // Up to one of the statements `ends`, whose tag is opened and whose name comes next; or, where
  // there are none, to the end.
  Body block(Ends ends) {
    const int line = read_.peek().line;
    if (++depth_ > limits::kTemplateDepth) refuse(line, "statements nested too deep");
    Body body;
    while (true) {
      const Token& token = read_.take();
      if (token.kind == Token::Kind::end) {
        if (ends.size() > 0) {
          refuse(line, "expected '" + std::string(*(ends.end() - 1)) + "' before the end");
        }
        break;
      }
      if (token.kind == Token::Kind::data) {
        body.push_back({.kind = Kind::data, .line = token.line, .text = token.text});
      } else if (token.kind == Token::Kind::print) {
        Statement print{.kind = Kind::print, .line = token.line};
        print.expressions.push_back(read_.tuple());
        expect(Token::Kind::print_end);
        body.push_back(std::move(print));
      } else {
        if (std::ranges::any_of(ends, [&](auto end) { return read_.is_name(end); })) break;
        body.push_back(statement());
      }
    }
    --depth_;
    return body;
  }

  void expect(Token::Kind kind) {
    const Token& token = read_.take();
    if (token.kind != kind) {
      refuse(token.line, "expected the end of the tag" +
                             (token.text.empty() ? "" : ", got '" + token.text + "'"));
    }
  }

  void end_of_tag() { expect(Token::Kind::block_end); }

  // The statement that ends a block, whose tag is open.
  void close() {
    read_.take();
    end_of_tag();
  }

  Statement statement() {
    const int line = read_.peek().line;
    if (read_.take_name("if")) return choose(line);
    if (read_.take_name("for")) return loop(line);
    if (read_.take_name("set")) return assign(line);
    if (read_.take_name("macro")) return define(line);
    if (read_.take_name("call")) return call(line);
    if (read_.take_name("filter")) return filter(line);
    if (read_.take_name("with")) return with(line);
    if (read_.take_name("generation")) {
      end_of_tag();
      Statement generation{.kind = Kind::generation, .line = line};
      generation.branches.push_back(block({"endgeneration"}));
      close();
      return generation;
    }
    if (read_.is_name("break") || read_.is_name("continue")) {
      const bool leaves = read_.take().text == "break";
      if (loops_ == 0) refuse(line, "'break' or 'continue' outside of a loop");
      end_of_tag();
      return {.kind = leaves ? Kind::leave : Kind::next, .line = line};
    }
    refuse(line, "the statement '" + read_.peek().text + "'");
  }

  Statement choose(int line) {
    Statement result{.kind = Kind::choose, .line = line};
    while (true) {
      result.expressions.push_back(read_.tuple());
      end_of_tag();
      result.branches.push_back(block({"elif", "else", "endif"}));
      if (!read_.take_name("elif")) break;
    }
    if (read_.take_name("else")) {
      end_of_tag();
      result.branches.push_back(block({"endif"}));
    }
    close();
    return result;
  }

  std::vector<std::string> targets() {
    std::vector<std::string> names;
    const bool bracket = read_.take_sign("(");
    do {
      names.push_back(read_.expect_name("the name of a variable"));
    } while (read_.take_sign(","));
    if (bracket) read_.expect_sign(")");
    return names;
  }

  Statement loop(int line) {
    Statement result{.kind = Kind::loop, .line = line, .names = targets()};
    if (!read_.take_name("in")) refuse(line, "expected 'in' in the loop");
    Expression items = read_.disjunction();  // not `if`, which filters them
    if (read_.is_sign(",")) {
      Expression all{.kind = Expression::Kind::tuple, .line = line, .depth = items.depth + 1};
      all.operands.push_back(std::move(items));
      while (read_.take_sign(",")) {
        all.operands.push_back(read_.disjunction());
        all.depth = std::max(all.depth, all.operands.back().depth + 1);
      }
      items = std::move(all);
    }
    result.expressions.push_back(std::move(items));
    if (read_.take_name("if")) result.expressions.push_back(read_.expression());
    if (read_.is_name("recursive")) refuse(line, "a recursive loop");
    end_of_tag();
    ++loops_;
    result.branches.push_back(block({"else", "endfor"}));
    --loops_;
    if (read_.take_name("else")) {
      end_of_tag();
      result.branches.push_back(block({"endfor"}));
    }
    close();
    return result;
  }

  Statement assign(int line) {
    Statement result{.kind = Kind::assign, .line = line};
    if (read_.peek(1).kind == Token::Kind::sign && read_.peek(1).text == ".") {
      result.text = read_.expect_name("the name of a namespace");
      read_.take();
      result.names.push_back(read_.expect_name("the name of a member"));
    } else {
      result.names = targets();
    }
    if (read_.take_sign("=")) {
      result.expressions.push_back(read_.tuple());
      end_of_tag();
      return result;
    }
    if (result.names.size() > 1) refuse(line, "expected '=' in 'set'");
    result.kind = Kind::capture;
    if (read_.is_sign("|")) {  // filters what the block prints, which `names` has by then
      Expression printed{.kind = Expression::Kind::name, .line = line, .name = result.names[0]};
      result.expressions.push_back(read_.filters(std::move(printed)));
    }
    end_of_tag();
    result.branches.push_back(block({"endset"}));
    close();
    return result;
  }

  // What a block prints, by the name that the statement gives it, through its filters.
  Expression filtered(const std::string& name, int line) {
    return read_.filters(
        read_.filter(Expression{.kind = Expression::Kind::name, .line = line, .name = name}));
  }

  // Into `result`: the parameters behind an open bracket, and what those are that need not be
  // given.
  void parameters(Statement& result) {
    std::size_t others = 0;
    while (!read_.take_sign(")")) {
      result.names.push_back(read_.expect_name("the name of a parameter"));
      if (read_.take_sign("=")) {
        result.expressions.push_back(read_.expression());
        ++others;
      } else if (others > 0) {
        refuse(result.line, "a parameter without a default behind one that has it");
      }
      if (!read_.is_sign(")")) read_.expect_sign(",");
    }
  }

  // The body of a macro, which no loop around it can be left from.
  void body_of(Statement& result, std::string_view end) {
    end_of_tag();
    const int loops = std::exchange(loops_, 0);
    const std::size_t begin = read_.place();
    result.branches.push_back(block({end}));
    for (const std::string_view name : {"varargs", "kwargs", "caller"}) {
      if (read_.names_since(begin, name)) result.extras.emplace_back(name);
    }
    loops_ = loops;
    close();
  }

  Statement define(int line) {
    Statement result{.kind = Kind::define, .line = line};
    result.text = read_.expect_name("the name of a macro");
    read_.expect_sign("(");
    parameters(result);
    body_of(result, "endmacro");
    return result;
  }

  Statement call(int line) {
    Statement result{.kind = Kind::call, .line = line, .text = "caller"};
    if (read_.take_sign("(")) parameters(result);
    Expression called = read_.expression();
    if (called.kind != Expression::Kind::call) refuse(line, "'call' of what is no call");
    result.expressions.insert(result.expressions.begin(), std::move(called));
    body_of(result, "endcall");
    return result;
  }

  Statement filter(int line) {
    Statement result{.kind = Kind::filter, .line = line, .text = "what the block prints"};
    result.expressions.push_back(filtered(result.text, line));
    end_of_tag();
    const int loops = std::exchange(loops_, 0);
    result.branches.push_back(block({"endfilter"}));
    loops_ = loops;
    close();
    return result;
  }

  Statement with(int line) {
    Statement result{.kind = Kind::with, .line = line};
    while (!read_.at_end_of_tag()) {
      result.names.push_back(read_.expect_name("the name of a variable"));
      read_.expect_sign("=");
      result.expressions.push_back(read_.expression());
      if (!read_.at_end_of_tag()) read_.expect_sign(",");
    }
    end_of_tag();
    result.branches.push_back(block({"endwith"}));
    close();
    return result;
  }

  ExpressionParser read_;
  int depth_ = 0;
  int loops_ = 0;
};

}  // namespace

Body parse(std::string_view source) {
  const std::vector<Token> tokens = tokens_of(source);
  return Parser(tokens).run();
}

}  // namespace instructblip::jinja
