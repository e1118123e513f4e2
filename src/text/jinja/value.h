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
struct Dict;
struct Macro;
struct Sequence;
using List = std::vector<Value>;

struct Undefined {
  std::string name;  // for messages
};
struct None {};
// A function of the environment, a method and what it is called on, or a macro.
struct Callable {
  std::string name;
  std::shared_ptr<const Value> self = {};   // null for a function
  std::shared_ptr<const Macro> macro = {};  // null for what Jinja or Python has
};

// Cheap to copy: sequences and dicts are shared. Only namespaces and iterators ever change.
class Value {
 public:
  using Data = std::variant<Undefined, None, bool, std::int64_t, double, std::string,
                            std::shared_ptr<Sequence>, std::shared_ptr<Dict>, Callable>;

  Value() : data_(Undefined{}) {}
  Value(Data data) : data_(std::move(data)) {}  // NOLINT(google-explicit-constructor)
  static Value undefined(std::string name) { return Data(Undefined{std::move(name)}); }
  static Value none() { return Data(None{}); }
  static Value of(bool value) { return Data(value); }
  static Value of(std::int64_t value) { return Data(value); }
  static Value of(double value) { return Data(value); }
  static Value of(std::string value) { return Data(std::move(value)); }
  // A text that is marked as escaped: what is joined to it would be escaped as well.
  static Value escaped(std::string value);
  // These throw Error(unsupported) where values stand too deep in one another, or a namespace in
  // one: so no value ever holds itself.
  static Value of(List value);
  static Value of(Sequence value);
  static Value of(Dict value);
  static Value of(Callable value) { return Data(std::move(value)); }
  static Value tuple(List value);
  static Value iterator(List value);

  bool is_undefined() const { return std::holds_alternative<Undefined>(data_); }
  bool is_none() const { return std::holds_alternative<None>(data_); }
  bool is_escaped() const { return is_escaped_; }
  const bool* boolean() const { return std::get_if<bool>(&data_); }
  const std::int64_t* integer() const { return std::get_if<std::int64_t>(&data_); }
  const double* real() const { return std::get_if<double>(&data_); }
  const std::string* text() const { return std::get_if<std::string>(&data_); }
  Sequence* sequence() const;
  const List* list() const;  // items that have places: of a list, a tuple or a range
  bool is_tuple() const;
  Dict* dict() const;  // a namespace or a loop too
  const Callable* callable() const { return std::get_if<Callable>(&data_); }
  const std::string& undefined_name() const { return std::get<Undefined>(data_).name; }

  bool is_number() const { return boolean() || integer() || real(); }
  double number() const;                  // a number's value
  bool truth() const;                     // Python's bool()
  std::string str() const;                // Python's str(); nothing for what is undefined
  std::string repr() const;               // Python's repr(); too long a one is Error(unsupported)
  std::string type() const;               // Python's name of the type, for messages
  bool equals(const Value& other) const;  // too long a comparison is Error(unsupported)
  int depth() const { return depth_; }    // nesting of sequences and dicts
  std::size_t size() const;               // bytes of a text, items of a sequence or dict; else 1

 private:
  void append_repr(std::string& out) const;
  static void append_sequence(const Sequence& sequence, std::string& out);
  static bool same(const Sequence& a, const Sequence& b, std::int64_t& steps);
  bool equals(const Value& other, std::int64_t& steps) const;

  Data data_;
  int depth_ = 0;
  bool is_escaped_ = false;
};

// Keys are texts, in the order in which they were added.
struct Dict {
  enum class Kind { mapping, name_space, loop };
  Kind kind = Kind::mapping;
  std::vector<std::pair<std::string, Value>> members = {};

  const Value* find(std::string_view key) const;
  void set(std::string_view key, Value value);
};
// What a loop goes through, texts and dicts aside.
struct Sequence {
  enum class Kind {
    list,
    tuple,
    group,  // a tuple of groupby: `grouper` and `list`
    range,
    keys,  // a dict's, as its items and its values
    items,
    values,
    iterator,  // gives each item once, and has no length
  };
  Kind kind = Kind::list;
  List items = {};
  std::string shown = {};  // repr() of a range, where it is known
  std::size_t taken = 0;   // items that an iterator has given
};

inline Value Value::of(List value) { return of(Sequence{.items = std::move(value)}); }

// Python's repr() of a text.
std::string quoted_text(std::string_view text);

}  // namespace instructblip::jinja
