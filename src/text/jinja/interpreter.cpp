#include "text/jinja/interpreter.h"

#include <algorithm>
#include <optional>

#include "core/limits.h"
#include "text/jinja/lexer.h"

namespace instructblip::jinja {
namespace {

using Kind = Expression::Kind;
using Scope = std::vector<std::pair<std::string, Value>>;

enum class Flow { on, leave, next };

class Interpreter {
 public:
  explicit Interpreter(Scope variables) : scopes_{std::move(variables)} {}

  std::string run(const Body& body) {
    execute(body);
    return std::move(out_);
  }

 private:
  void step(int line) {
    if (++steps_ > limits::kTemplateSteps) refuse(line, "the template takes too many steps");
  }

  void print(std::string_view text, int line) {
    out_ += text;
    if (std::ssize(out_) > limits::kTemplateOutput) refuse(line, "the template prints too much");
  }

  void assign(std::string_view name, Value value) {
    for (auto& [held, slot] : scopes_.back()) {
      if (held != name) continue;
      slot = std::move(value);
      return;
    }
    scopes_.back().emplace_back(name, std::move(value));
  }

  Value variable(const std::string& name) const {
    for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
      for (const auto& [held, value] : *scope) {
        if (held == name) return value;
      }
    }
    if (is_function(name)) return Value::of(Callable{name, nullptr});
    return Value::undefined(name);
  }

  void assign_all(const std::vector<std::string>& names, const Value& value, int line) {
    if (names.size() == 1) return assign(names.front(), value);
    const List items = items_of(value, line);
    if (items.size() != names.size()) {
      refuse(line, "expected " + std::to_string(names.size()) + " values, got " +
                       std::to_string(items.size()));
    }
    for (std::size_t i = 0; i < names.size(); ++i) assign(names[i], items[i]);
  }

  Flow execute(const Body& body) {
    for (const Statement& statement : body) {
      step(statement.line);
      const Flow flow = execute(statement);
      if (flow != Flow::on) return flow;
    }
    return Flow::on;
  }

  Flow execute(const Statement& statement) {
    switch (statement.kind) {
      case Statement::Kind::data:
        print(statement.text, statement.line);
        return Flow::on;
      case Statement::Kind::print:
        print(evaluate(statement.expressions[0]).str(), statement.line);
        return Flow::on;
      case Statement::Kind::choose:
        return choose(statement);
      case Statement::Kind::loop:
        return loop(statement);
      case Statement::Kind::assign:
        set(statement);
        return Flow::on;
      case Statement::Kind::capture:
        capture(statement);
        return Flow::on;
      case Statement::Kind::together:
        return together(statement);
      case Statement::Kind::leave:
        return Flow::leave;
      case Statement::Kind::next:
        return Flow::next;
    }
    return Flow::on;
  }

  // A scope of its own, as what Jinja makes a call of.
  Flow together(const Statement& statement) {
    scopes_.emplace_back();
    const Flow flow = execute(statement.branches[0]);
    scopes_.pop_back();
    if (flow != Flow::on) refuse(statement.line, "'break' or 'continue' inside of 'generation'");
    return Flow::on;
  }

  Flow choose(const Statement& statement) {
    for (std::size_t i = 0; i < statement.branches.size(); ++i) {
      const bool is_else = i == statement.expressions.size();
      if (is_else || evaluate(statement.expressions[i]).truth()) {
        return execute(statement.branches[i]);
      }
    }
    return Flow::on;
  }

  void set(const Statement& statement) {
    const Value value = evaluate(statement.expressions[0]);
    if (statement.text.empty()) return assign_all(statement.names, value, statement.line);
    Dict* dict = variable(statement.text).dict();
    if (dict == nullptr || dict->kind != Dict::Kind::name_space) {
      refuse(statement.line, "'" + statement.text + "' is set a member of, expected a namespace");
    }
    if (value.dict() && value.dict()->kind == Dict::Kind::name_space) {
      refuse(statement.line, "a namespace inside of another");
    }
    dict->set(statement.names[0], value);
  }

  void capture(const Statement& statement) {
    std::string before = std::exchange(out_, {});
    scopes_.emplace_back();
    const Flow flow = execute(statement.branches[0]);
    scopes_.pop_back();
    if (flow != Flow::on) refuse(statement.line, "'break' or 'continue' inside of 'set'");
    Value printed = Value::of(std::exchange(out_, std::move(before)));
    if (!statement.expressions.empty()) {
      scopes_.push_back({{statement.names[0], std::move(printed)}});
      printed = evaluate(statement.expressions[0]);
      scopes_.pop_back();
    }
    assign(statement.names[0], std::move(printed));
  }

  // The items that a loop goes through: those that its condition lets pass.
  List passing(const Statement& statement) {
    List items = items_of(evaluate(statement.expressions[0]), statement.line);
    if (statement.expressions.size() == 1) return items;
    List passed;
    for (Value& item : items) {
      scopes_.emplace_back();
      assign_all(statement.names, item, statement.line);
      const bool passes = evaluate(statement.expressions[1]).truth();
      scopes_.pop_back();
      step(statement.line);
      if (passes) passed.push_back(std::move(item));
    }
    return passed;
  }

  static Value loop_variable(const List& items, std::size_t i) {
    const auto at = static_cast<std::int64_t>(i);
    const std::int64_t length = std::ssize(items);
    Dict loop{.kind = Dict::Kind::loop, .members = {}};
    loop.set("index", Value::of(at + 1));
    loop.set("index0", Value::of(at));
    loop.set("revindex", Value::of(length - at));
    loop.set("revindex0", Value::of(length - at - 1));
    loop.set("first", Value::of(at == 0));
    loop.set("last", Value::of(at + 1 == length));
    loop.set("length", Value::of(length));
    loop.set("previtem", i == 0 ? Value::undefined("loop.previtem") : items[i - 1]);
    loop.set("nextitem", i + 1 == items.size() ? Value::undefined("loop.nextitem") : items[i + 1]);
    return Value::of(std::move(loop));
  }

  Flow loop(const Statement& statement) {
    const List items = passing(statement);
    if (items.empty() && statement.branches.size() > 1) return execute(statement.branches[1]);
    for (std::size_t i = 0; i < items.size(); ++i) {
      step(statement.line);
      scopes_.emplace_back();
      assign("loop", loop_variable(items, i));
      assign_all(statement.names, items[i], statement.line);
      const Flow flow = execute(statement.branches[0]);
      scopes_.pop_back();
      if (flow == Flow::leave) break;
    }
    return Flow::on;
  }

  Arguments arguments_of(const Expression& expression) {
    Arguments arguments{.line = expression.line};
    for (std::size_t i = 1; i < expression.operands.size(); ++i) {
      arguments.values.push_back(evaluate(expression.operands[i]));
    }
    arguments.names = expression.names;
    return arguments;
  }

  Value attribute(const Expression& expression) {
    const Value value = evaluate(expression.operands[0]);
    if (value.is_undefined()) {
      refuse(expression.line, "'" + value.undefined_name() + "' is undefined, asked for its '" +
                                  expression.name + "'");
    }
    if (is_method(expression.name, value)) {
      return Value::of(Callable{expression.name, std::make_shared<const Value>(value)});
    }
    const Value* found = value.dict() ? value.dict()->find(expression.name) : nullptr;
    return found ? *found : Value::undefined(expression.name);
  }

  Value call(const Expression& expression) {
    const Value called = evaluate(expression.operands[0]);
    const Callable* callable = called.callable();
    if (callable == nullptr) {
      refuse(expression.line, called.is_undefined()
                                  ? "the function or method '" + called.undefined_name() + "'"
                                  : "a call of a " + called.type());
    }
    const Arguments arguments = arguments_of(expression);
    if (callable->self) return call_method(callable->name, *callable->self, arguments);
    return call_function(callable->name, arguments);
  }

  Value comparison(const Expression& expression) {
    Value left = evaluate(expression.operands[0]);
    for (std::size_t i = 0; i < expression.names.size(); ++i) {
      Value right = evaluate(expression.operands[i + 1]);
      if (!compare(expression.names[i], left, right, expression.line)) return Value::of(false);
      left = std::move(right);
    }
    return Value::of(true);
  }

  Value two_sided(const Expression& expression) {
    Value left = evaluate(expression.operands[0]);
    if (expression.name == "or" || expression.name == "and") {
      return left.truth() == (expression.name == "or") ? left : evaluate(expression.operands[1]);
    }
    return binary(expression.name, left, evaluate(expression.operands[1]), expression.line);
  }

  Value one_sided(const Expression& expression) {
    const Value value = evaluate(expression.operands[0]);
    if (expression.name == "not") return Value::of(!value.truth());
    const Value zero = Value::of(std::int64_t{0});
    return binary(expression.name, zero, value, expression.line);
  }

  Value collected(const Expression& expression) {
    if (expression.kind == Kind::list) {
      List items;
      for (const Expression& item : expression.operands) items.push_back(evaluate(item));
      return Value::of(std::move(items));
    }
    Dict dict;
    for (std::size_t i = 0; i < expression.operands.size(); i += 2) {
      const Value key = evaluate(expression.operands[i]);
      if (!key.text()) refuse(expression.line, "a key that is a " + key.type());
      dict.set(*key.text(), evaluate(expression.operands[i + 1]));
    }
    return Value::of(std::move(dict));
  }

  // A long text or list counts for many steps, since it takes as long to make or to copy.
  Value evaluate(const Expression& expression) {
    step(expression.line);
    Value value = value_of(expression);
    steps_ += static_cast<std::int64_t>(value.size() / 64);
    return value;
  }

  Value value_of(const Expression& expression) {
    const auto operand = [&](std::size_t i) { return evaluate(expression.operands[i]); };
    switch (expression.kind) {
      case Kind::literal:
        return expression.value;
      case Kind::name:
        return variable(expression.name);
      case Kind::list:
      case Kind::dict:
        return collected(expression);
      case Kind::attribute:
        return attribute(expression);
      case Kind::subscript: {
        const Value value = operand(0);
        if (value.is_undefined()) {
          refuse(expression.line, "'" + value.undefined_name() + "' is undefined");
        }
        return subscript(value, operand(1));
      }
      case Kind::slice: {
        const Value value = operand(0);
        const Value begin = operand(1);
        const Value end = operand(2);
        return slice(value, begin, end, operand(3), expression.line);
      }
      case Kind::call:
        return call(expression);
      case Kind::filter: {
        const Value value = operand(0);
        return apply_filter(expression.name, value, arguments_of(expression));
      }
      case Kind::test: {
        const Value value = operand(0);
        return Value::of(apply_test(expression.name, value, arguments_of(expression)));
      }
      case Kind::unary:
        return one_sided(expression);
      case Kind::binary:
        return two_sided(expression);
      case Kind::comparison:
        return comparison(expression);
      case Kind::conditional:
        if (operand(1).truth()) return operand(0);
        return expression.operands.size() > 2 ? operand(2) : Value();
    }
    return {};
  }

  std::vector<Scope> scopes_;
  std::string out_;
  std::int64_t steps_ = 0;
};

}  // namespace

const Value* Arguments::find(std::size_t place, std::string_view name) const {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (names[i].empty() ? i == place : names[i] == name) return &values[i];
  }
  return nullptr;
}

std::string run(const Body& body, std::vector<std::pair<std::string, Value>> variables) {
  return Interpreter(std::move(variables)).run(body);
}

}  // namespace instructblip::jinja
