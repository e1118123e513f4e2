// What the expressions of a chat template compute with: Python's values as far as Jinja shows them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace instructblip::jinja {

class Value;
using List = std::vector<Value>;

struct Undefined {
  std::string name;  // for messages
};
struct None {};
// A function of the environment, or a method and what it is called on.
struct Callable {
  std::string name;
  std::shared_ptr<const Value> self;  // null for a function
};
// Keys are texts, in the order in which they were added.
struct Dict {
  enum class Kind { mapping, name_space, loop };
  Kind kind = Kind::mapping;
  std::vector<std::pair<std::string, Value>> members;

  const Value* find(std::string_view key) const;
  void set(std::string_view key, Value value);
};

// Cheap to copy: lists and dicts are shared. Only a namespace ever changes.
class Value {
 public:
  using Data = std::variant<Undefined, None, bool, std::int64_t, double, std::string,
                            std::shared_ptr<const List>, std::shared_ptr<Dict>, Callable>;

  Value() : data_(Undefined{}) {}
  Value(Data data) : data_(std::move(data)) {}  // NOLINT(google-explicit-constructor)
  static Value undefined(std::string name) { return Data(Undefined{std::move(name)}); }
  static Value none() { return Data(None{}); }
  static Value of(bool value) { return Data(value); }
  static Value of(std::int64_t value) { return Data(value); }
  static Value of(double value) { return Data(value); }
  static Value of(std::string value) { return Data(std::move(value)); }
  // These throw Error(unsupported) where values stand too deep in one another, or a namespace in
  // one: so no value ever holds itself.
  static Value of(List value);
  static Value of(Dict value);
  static Value of(Callable value) { return Data(std::move(value)); }

  bool is_undefined() const { return std::holds_alternative<Undefined>(data_); }
  bool is_none() const { return std::holds_alternative<None>(data_); }
  const bool* boolean() const { return std::get_if<bool>(&data_); }
  const std::int64_t* integer() const { return std::get_if<std::int64_t>(&data_); }
  const double* real() const { return std::get_if<double>(&data_); }
  const std::string* text() const { return std::get_if<std::string>(&data_); }
  const List* list() const;
  Dict* dict() const;  // a namespace or a loop too
  const Callable* callable() const { return std::get_if<Callable>(&data_); }
  const std::string& undefined_name() const { return std::get<Undefined>(data_).name; }

  bool is_number() const { return boolean() || integer() || real(); }
  double number() const;                  // of a number
  bool truth() const;                     // Python's bool()
  std::string str() const;                // Python's str(); nothing for what is undefined
  std::string repr() const;               // Python's repr(); too long a one is Error(unsupported)
  std::string type() const;               // Python's name of the type, for messages
  bool equals(const Value& other) const;  // too long a comparison is Error(unsupported)
  int depth() const { return depth_; }    // of lists and dicts in one another
  std::size_t size() const;               // bytes of a text, items of a list or dict; else 1

 private:
  void append_repr(std::string& out) const;
  bool equals(const Value& other, std::int64_t& steps) const;

  Data data_;
  int depth_ = 0;
};

// Python's repr() of a text.
std::string quoted(std::string_view text);

}  // namespace instructblip::jinja
