// Works out the expressions of a chat template.
#pragma once

#include <cstdint>
#include <string>

#include "text/jinja/ast.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/scopes.h"

namespace instructblip::jinja {

class Evaluator {
 public:
  explicit Evaluator(Variables variables) : scopes_(std::move(variables)) {}
  virtual ~Evaluator() = default;
  Evaluator(const Evaluator&) = delete;
  Evaluator& operator=(const Evaluator&) = delete;

 protected:
  // Bounds how deep expressions, statements and macros run in one another.
  class Deeper {
   public:
    Deeper(Evaluator& evaluator, int line);
    ~Deeper() { --depth_; }
    Deeper(const Deeper&) = delete;
    Deeper& operator=(const Deeper&) = delete;

   private:
    int& depth_;
  };

  Value evaluate(const Expression& expression);
  Value call(const Value& called, const Arguments& arguments);
  Arguments arguments_of(const Expression& expression);
  Value variable(const std::string& name) const;
  void step(int line);  // counts it
  Scopes& scopes() { return scopes_; }

 private:
  // A macro runs statements, which are another's.
  virtual Value run_macro(const Callable& macro, const Arguments& arguments) = 0;

  Value value_of(const Expression& expression);
  Value attribute(const Expression& expression);
  Value call(const Expression& expression);
  Value comparison(const Expression& expression);
  Value two_sided(const Expression& expression);
  Value one_sided(const Expression& expression);
  Value collected(const Expression& expression);

  Scopes scopes_;
  std::int64_t steps_ = 0;
  int depth_ = 0;
};

}  // namespace instructblip::jinja
