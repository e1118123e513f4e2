#include "text/jinja/interpreter.h"

#include <algorithm>
#include <optional>

#include "core/limits.h"
#include "instructblip/error.h"
#include "text/jinja/evaluator.h"
#include "text/jinja/lexer.h"

namespace instructblip::jinja {

// What `macro` or `call` has defined, and where. The statement outlives whatever runs it.
struct Macro {
  const Statement* definition;
  std::size_t first_default;  // index in the definition's expressions
  Scopes::Place place;
};

namespace {

enum class Flow { on, leave, next };

class Interpreter final : public Evaluator {
 public:
  using Evaluator::Evaluator;

  std::string run(const Body& body) {
    execute(body);
    return std::move(out_);
  }

 private:
  void print(std::string_view text, int line) {
    out_ += text;
    if (std::ssize(out_) > limits::kTemplateOutput) refuse(line, "the template prints too much");
  }

  void assign_all(const std::vector<std::string>& names, const Value& value, int line) {
    if (names.size() == 1) return scopes().assign(names.front(), value);
    const List items = items_of(value, line);
    if (items.size() != names.size()) {
      refuse(line, "expected " + std::to_string(names.size()) + " values, got " +
                       std::to_string(items.size()));
    }
    for (std::size_t i = 0; i < names.size(); ++i) scopes().assign(names[i], items[i]);
  }

  Flow execute(const Body& body) {
    for (const Statement& statement : body) {
      step(statement.line);
      const Deeper deeper(*this, statement.line);
      const Flow flow = execute_naming_line(statement);
      if (flow != Flow::on) return flow;
    }
    return Flow::on;
  }

  // What a value by itself refuses, as to grow too long, has no line yet.
  Flow execute_naming_line(const Statement& statement) {
    try {
      return execute(statement);
    } catch (const Error& error) {
      const std::string message = error.what();
      if (message.starts_with("line ")) throw;
      refuse(statement.line, message);
    }
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
      case Statement::Kind::generation:
        return generation(statement);
      case Statement::Kind::define:
        scopes().assign(statement.text, macro_of(statement, /*first_default=*/0));
        return Flow::on;
      case Statement::Kind::call:
        call_with_block(statement);
        return Flow::on;
      case Statement::Kind::filter:
        filter(statement);
        return Flow::on;
      case Statement::Kind::with:
        return with(statement);
      case Statement::Kind::leave:
        return Flow::leave;
      case Statement::Kind::next:
        return Flow::next;
    }
    return Flow::on;
  }

  // What the block of a statement prints, in a scope of its own, as a function of Jinja's prints
  // it.
  std::string printed(const Statement& statement, const char* name) {
    std::string before = std::exchange(out_, {});
    scopes().enter();
    const Flow flow = execute(statement.branches[0]);
    scopes().leave();
    if (flow != Flow::on) {
      refuse(statement.line, "'break' or 'continue' inside of '" + std::string(name) + "'");
    }
    return std::exchange(out_, std::move(before));
  }

  Flow generation(const Statement& statement) {
    print(printed(statement, "generation"), statement.line);
    return Flow::on;
  }

  void filter(const Statement& statement) {
    std::string text = printed(statement, "filter");
    scopes().enter({{statement.text, Value::of(std::move(text))}});
    const Value result = evaluate(statement.expressions[0]);
    scopes().leave();
    print(result.str(), statement.line);
  }

  // The values are those from outside of the block.
  Flow with(const Statement& statement) {
    Variables variables;
    for (std::size_t i = 0; i < statement.names.size(); ++i) {
      variables.emplace_back(statement.names[i], evaluate(statement.expressions[i]));
    }
    scopes().enter(std::move(variables));
    const Flow flow = execute(statement.branches[0]);
    scopes().leave();
    return flow;
  }

  Value macro_of(const Statement& statement, std::size_t first_default) {
    auto macro = std::make_shared<const Macro>(Macro{&statement, first_default, scopes().here()});
    return Value::of(Callable{.name = statement.text, .macro = std::move(macro)});
  }

  void call_with_block(const Statement& statement) {
    const Expression& called = statement.expressions[0];
    const Value callee = evaluate(called.operands[0]);
    Arguments arguments = arguments_of(called);
    arguments.names.emplace_back("caller");
    arguments.values.push_back(macro_of(statement, /*first_default=*/1));
    print(call(callee, arguments).str(), statement.line);
  }

  // Binds the arguments to the names of the macro, which runs where it was defined.
  Value run_macro(const Callable& callable, const Arguments& arguments) override {
    const Macro& macro = *callable.macro;
    const Statement& definition = *macro.definition;
    if (!scopes().is_open(macro.place)) {
      refuse(arguments.line, "the macro '" + callable.name + "' outside of where it was defined");
    }
    const Scopes::Hidden hidden(scopes(), macro.place);
    scopes().enter();
    bind(callable.name, definition, macro.first_default, arguments);
    std::string before = std::exchange(out_, {});
    const Flow flow = execute(definition.branches[0]);
    if (flow != Flow::on) refuse(definition.line, "'break' or 'continue' inside of a macro");
    return Value::of(std::exchange(out_, std::move(before)));
  }

  void bind(const std::string& name, const Statement& definition, std::size_t first_default,
            const Arguments& arguments) {
    std::vector<bool> taken(arguments.values.size(), false);
    const std::size_t required =
        definition.names.size() - (definition.expressions.size() - first_default);
    for (std::size_t i = 0; i < definition.names.size(); ++i) {
      std::optional<Value> value;
      for (std::size_t j = 0; j < arguments.values.size(); ++j) {
        const bool fits =
            arguments.names[j].empty() ? j == i : arguments.names[j] == definition.names[i];
        if (!fits) continue;
        if (value) refuse(arguments.line, "'" + definition.names[i] + "' given twice");
        value = arguments.values[j];
        taken[j] = true;
      }
      if (!value && i >= required) {
        value = evaluate(definition.expressions[first_default + i - required]);
      }
      scopes().assign(definition.names[i], value.value_or(Value::undefined(definition.names[i])));
    }
    bind_extras(name, definition, arguments, taken);
  }

  // varargs, kwargs and caller exist where the body names them; else nothing may be left over.
  void bind_extras(const std::string& name, const Statement& definition, const Arguments& arguments,
                   const std::vector<bool>& taken) {
    const auto uses = [&](std::string_view extra) {
      return std::ranges::find(definition.extras, extra) != definition.extras.end();
    };
    const auto is_bound = [&](std::string_view extra) {
      return std::ranges::find(definition.names, extra) != definition.names.end();
    };
    List placed;
    Dict named;
    Value caller = Value::undefined("caller");
    for (std::size_t i = 0; i < arguments.values.size(); ++i) {
      if (taken[i]) continue;
      const std::string& given = arguments.names[i];
      if (given == "caller" && uses("caller")) {
        caller = arguments.values[i];
      } else if (given.empty() && uses("varargs")) {
        placed.push_back(arguments.values[i]);
      } else if (!given.empty() && uses("kwargs")) {
        named.set(given, arguments.values[i]);
      } else {
        refuse(arguments.line, "the macro '" + name + "' with an argument that it does not take");
      }
    }
    if (uses("caller") && !is_bound("caller")) scopes().assign("caller", std::move(caller));
    if (uses("varargs")) scopes().assign("varargs", Value::tuple(std::move(placed)));
    if (uses("kwargs")) scopes().assign("kwargs", Value::of(std::move(named)));
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
    Value text = Value::of(printed(statement, "set"));
    if (!statement.expressions.empty()) {
      scopes().enter({{statement.names[0], std::move(text)}});
      text = evaluate(statement.expressions[0]);
      scopes().leave();
    }
    scopes().assign(statement.names[0], std::move(text));
  }

  // The items that a loop goes through: those that its condition lets pass.
  List passing(const Statement& statement) {
    List items = items_of(evaluate(statement.expressions[0]), statement.line);
    if (statement.expressions.size() == 1) return items;
    List passed;
    for (Value& item : items) {
      scopes().enter();
      assign_all(statement.names, item, statement.line);
      const bool passes = evaluate(statement.expressions[1]).truth();
      scopes().leave();
      step(statement.line);
      if (passes) passed.push_back(std::move(item));
    }
    return passed;
  }

  static Value loop_variable(const List& items, std::size_t i, const Value& memory) {
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
    loop.set("depth", Value::of(std::int64_t{1}));
    loop.set("depth0", Value::of(std::int64_t{0}));
    loop.set(kLoopMemory, memory);
    loop.set("previtem", i == 0 ? Value::undefined("loop.previtem") : items[i - 1]);
    loop.set("nextitem", i + 1 == items.size() ? Value::undefined("loop.nextitem") : items[i + 1]);
    return Value::of(std::move(loop));
  }

  Flow loop(const Statement& statement) {
    const List items = passing(statement);
    if (items.empty() && statement.branches.size() > 1) return execute(statement.branches[1]);
    const Value memory = Value::of(Dict{.kind = Dict::Kind::loop});
    for (std::size_t i = 0; i < items.size(); ++i) {
      step(statement.line);
      scopes().enter();
      scopes().assign("loop", loop_variable(items, i, memory));
      assign_all(statement.names, items[i], statement.line);
      const Flow flow = execute(statement.branches[0]);
      scopes().leave();
      if (flow == Flow::leave) break;
    }
    return Flow::on;
  }
  std::string out_;
};

}  // namespace

std::string run(const Body& body, std::vector<std::pair<std::string, Value>> variables) {
  return Interpreter(std::move(variables)).run(body);
}

}  // namespace instructblip::jinja
