#include "text/jinja/evaluator.h"

#include <algorithm>
#include <utility>

#include "core/limits.h"
#include "text/jinja/lexer.h"

namespace instructblip::jinja {
namespace {

using Kind = Expression::Kind;

}  // namespace

Evaluator::Deeper::Deeper(Evaluator& evaluator, int line) : depth_(evaluator.depth_) {
  if (++depth_ > limits::kTemplateRunDepth) refuse(line, "a template nested too deep");
}

void Evaluator::step(int line) {
  if (++steps_ > limits::kTemplateSteps) refuse(line, "the template takes too many steps");
}

Value Evaluator::variable(const std::string& name) const {
  if (const Value* found = scopes_.find(name)) return *found;
  if (is_function(name)) return Value::of(Callable{.name = name});
  return Value::undefined(name);
}

Arguments Evaluator::arguments_of(const Expression& expression) {
  Arguments arguments{.line = expression.line};
  const auto add = [&](std::string name, Value value) {
    arguments.names.push_back(std::move(name));
    arguments.values.push_back(std::move(value));
  };
  for (std::size_t i = 1; i < expression.operands.size(); ++i) {
    const Value value = evaluate(expression.operands[i]);
    const std::string& name = expression.names[i - 1];
    if (name == "*") {
      for (const Value& item : items_of(value, expression.line)) add("", item);
    } else if (name == "**") {
      if (!value.dict()) refuse(expression.line, "'**' of a " + value.type());
      for (const auto& [key, held] : value.dict()->members) add(key, held);
    } else {
      add(name, value);
    }
  }
  return arguments;
}

Value Evaluator::attribute(const Expression& expression) {
  const Value value = evaluate(expression.operands[0]);
  if (value.is_undefined()) {
    refuse(expression.line, "'" + value.undefined_name() + "' is undefined, asked for its '" +
                                expression.name + "'");
  }
  if (is_method(expression.name, value)) {
    return Value::of(
        Callable{.name = expression.name, .self = std::make_shared<const Value>(value)});
  }
  return subscript(value, Value::of(expression.name));
}

Value Evaluator::call(const Expression& expression) {
  const Value called = evaluate(expression.operands[0]);
  return call(called, arguments_of(expression));
}

Value Evaluator::call(const Value& called, const Arguments& arguments) {
  const Callable* callable = called.callable();
  if (callable == nullptr) {
    refuse(arguments.line, called.is_undefined()
                               ? "the function or method '" + called.undefined_name() + "'"
                               : "a call of a " + called.type());
  }
  if (callable->macro) return run_macro(*callable, arguments);
  if (callable->self) return call_method(callable->name, *callable->self, arguments);
  return call_function(callable->name, arguments);
}

Value Evaluator::comparison(const Expression& expression) {
  Value left = evaluate(expression.operands[0]);
  for (std::size_t i = 0; i < expression.names.size(); ++i) {
    Value right = evaluate(expression.operands[i + 1]);
    if (!compare(expression.names[i], left, right, expression.line)) return Value::of(false);
    left = std::move(right);
  }
  return Value::of(true);
}

Value Evaluator::two_sided(const Expression& expression) {
  Value left = evaluate(expression.operands[0]);
  if (expression.name == "or" || expression.name == "and") {
    return left.truth() == (expression.name == "or") ? left : evaluate(expression.operands[1]);
  }
  return binary(expression.name, left, evaluate(expression.operands[1]), expression.line);
}

Value Evaluator::one_sided(const Expression& expression) {
  const Value value = evaluate(expression.operands[0]);
  if (expression.name == "not") return Value::of(!value.truth());
  const Value zero = Value::of(std::int64_t{0});
  return binary(expression.name, zero, value, expression.line);
}

Value Evaluator::collected(const Expression& expression) {
  if (expression.kind != Kind::dict) {
    List items;
    for (const Expression& item : expression.operands) items.push_back(evaluate(item));
    return expression.kind == Kind::tuple ? Value::tuple(std::move(items))
                                          : Value::of(std::move(items));
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
Value Evaluator::evaluate(const Expression& expression) {
  step(expression.line);
  const Deeper deeper(*this, expression.line);
  Value value = value_of(expression);
  steps_ += static_cast<std::int64_t>(value.size() / 64);
  return value;
}

Value Evaluator::value_of(const Expression& expression) {
  const auto operand = [&](std::size_t i) { return evaluate(expression.operands[i]); };
  switch (expression.kind) {
    case Kind::literal:
      return expression.value;
    case Kind::name:
      return variable(expression.name);
    case Kind::list:
    case Kind::tuple:
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

const Value* Arguments::find(std::size_t place, std::string_view name) const {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (names[i].empty() ? i == place : names[i] == name) return &values[i];
  }
  return nullptr;
}

}  // namespace instructblip::jinja
