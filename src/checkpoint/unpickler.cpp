#include "checkpoint/unpickler.h"

#include "core/limits.h"
#include "core/utf8.h"

namespace instructblip {

// --- bytes

std::span<const std::byte> Unpickler::take(std::uint64_t count) {
  if (count > bytes_.size() - at_) fail("the pickle ends in the middle");
  const auto part = bytes_.subspan(at_, static_cast<std::size_t>(count));
  at_ += part.size();
  return part;
}

std::uint64_t Unpickler::number(std::size_t count) {
  const auto part = take(count);
  std::uint64_t value = 0;
  for (std::size_t i = count; i-- > 0;) {
    value = (value << 8) | std::to_integer<std::uint64_t>(part[i]);
  }
  return value;
}

std::string_view Unpickler::text(std::uint64_t count) {
  if (count > static_cast<std::uint64_t>(limits::kPickleTextBytes)) {
    fail("a text of " + std::to_string(count) + " bytes, expected at most " +
         std::to_string(limits::kPickleTextBytes));
  }
  const auto part = take(count);
  const std::string_view view(reinterpret_cast<const char*>(part.data()), part.size());
  if (utf8::find_invalid(view)) fail("a text that is not UTF-8: " + quote(view));
  return view;
}

std::string_view Unpickler::line() {
  const std::size_t begin = at_;
  while (byte() != '\n') {
  }
  return {reinterpret_cast<const char*>(bytes_.data()) + begin, at_ - 1 - begin};
}

// Two's complement of any length; more than 64 bits are of no use here.
Pickle::Node Unpickler::long_integer(std::uint64_t count) {
  Node node;
  node.kind = count > 8 ? Kind::opaque : Kind::integer;
  if (count > 8) {
    take(count);
  } else if (count > 0) {
    const std::uint64_t value = number(static_cast<std::size_t>(count));
    const std::uint64_t unused = 64 - 8 * count;
    node.integer = static_cast<std::int64_t>(value << unused) >> unused;
  }
  return node;
}

// --- values

Pickle::Ref Unpickler::add(Node node) {
  if (out_.nodes_.size() >= static_cast<std::size_t>(limits::kPickleValues)) {
    fail("more than " + std::to_string(limits::kPickleValues) + " values");
  }
  out_.nodes_.push_back(std::move(node));
  return static_cast<Ref>(out_.nodes_.size() - 1);
}

void Unpickler::push_ref(Ref value) {
  if (stack_.size() >= static_cast<std::size_t>(limits::kPickleValues))
    fail("the stack is too high");
  stack_.push_back(value);
}

// Nothing is taken from below the last mark.
Pickle::Ref Unpickler::pop() {
  if (stack_.size() <= (marks_.empty() ? 0 : marks_.back())) fail("the pickle's stack is empty");
  const Ref value = stack_.back();
  stack_.pop_back();
  return value;
}

std::vector<Pickle::Ref> Unpickler::pop_to_mark() {
  if (marks_.empty()) fail("a mark of the pickle is missing");
  const auto begin = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
  std::vector<Ref> values(begin, stack_.end());
  stack_.erase(begin, stack_.end());
  marks_.pop_back();
  return values;
}

Pickle::Node& Unpickler::top_of(Kind kind, std::string_view what) {
  if (stack_.size() <= (marks_.empty() ? 0 : marks_.back()) || node(stack_.back()).kind != kind) {
    fail("expected " + std::string(what) + " on the pickle's stack");
  }
  return node(stack_.back());
}

void Unpickler::push_tuple(std::vector<Ref> elements) {
  Node tuple;
  tuple.kind = Kind::tuple;
  tuple.elements = std::move(elements);
  push(std::move(tuple));
}

bool Unpickler::is_opaque_on_top() {
  return stack_.size() > (marks_.empty() ? 0 : marks_.back()) &&
         node(stack_.back()).kind == Kind::opaque;
}

// What is put into an opaque value is as opaque, here and below.
void Unpickler::add_pairs(std::span<const Ref> pairs) {
  if (pairs.size() % 2 != 0) fail("a key of a dictionary without its value");
  if (is_opaque_on_top()) return;
  Node& dictionary = top_of(Kind::dictionary, "a dictionary");
  for (std::size_t i = 0; i < pairs.size(); i += 2) {
    dictionary.items.emplace_back(pairs[i], pairs[i + 1]);
  }
}

void Unpickler::append_to_top(std::span<const Ref> values) {
  if (is_opaque_on_top()) return;
  Node& list = top_of(Kind::list, "a list");
  list.elements.insert(list.elements.end(), values.begin(), values.end());
}

void Unpickler::push_opaque() {
  Node opaque;
  opaque.kind = Kind::opaque;
  push(std::move(opaque));
}

// --- opcodes

namespace {

// Bytes of the number in front of a text or of bytes.
std::size_t length_of(Op op) {
  switch (op) {
    case Op::short_unicode:
    case Op::short_bytes:
      return 1;
    case Op::binary_unicode:
    case Op::binary_bytes:
      return 4;
    default:
      return 8;
  }
}

}  // namespace

bool Unpickler::read_value(Op op) {
  Node value;
  switch (op) {
    case Op::none:
      break;
    case Op::yes:
    case Op::no:
      value.kind = Kind::boolean;
      value.integer = op == Op::yes;
      break;
    case Op::binary_int:
      value.kind = Kind::integer;
      value.integer = static_cast<std::int32_t>(number(4));
      break;
    case Op::binary_int1:
    case Op::binary_int2:
      value.kind = Kind::integer;
      value.integer = static_cast<std::int64_t>(number(op == Op::binary_int1 ? 1 : 2));
      break;
    case Op::long1:
    case Op::long4:
      value = long_integer(op == Op::long1 ? byte() : number(4));
      break;
    case Op::binary_float:
      value.kind = Kind::real;
      take(8);
      break;
    case Op::binary_unicode:
    case Op::short_unicode:
    case Op::binary_unicode8:
      value.kind = Kind::text;
      value.text = text(number(length_of(op)));
      break;
    case Op::empty_list:
      value.kind = Kind::list;
      break;
    case Op::empty_tuple:
      value.kind = Kind::tuple;
      break;
    case Op::empty_dictionary:
      value.kind = Kind::dictionary;
      break;
    default:
      return false;
  }
  push(std::move(value));
  return true;
}

bool Unpickler::read_opaque(Op op) {
  switch (op) {
    case Op::short_bytes:
    case Op::binary_bytes:
    case Op::binary_bytes8:
    case Op::byte_array8:
      take(number(length_of(op)));
      break;
    case Op::empty_set:
      break;
    case Op::frozen_set:
      pop_to_mark();
      break;
    default:
      return false;
  }
  push_opaque();
  return true;
}

bool Unpickler::change_stack(Op op) {
  switch (op) {
    case Op::mark:
      if (marks_.size() >= static_cast<std::size_t>(limits::kPickleMarks)) {
        fail("more than " + std::to_string(limits::kPickleMarks) + " values inside one another");
      }
      marks_.push_back(stack_.size());
      return true;
    case Op::pop:
      pop();
      return true;
    case Op::pop_mark:
      pop_to_mark();
      return true;
    case Op::tuple:
      push_tuple(pop_to_mark());
      return true;
    case Op::tuple1:
    case Op::tuple2:
    case Op::tuple3: {
      std::vector<Ref> elements(static_cast<std::size_t>(op) -
                                static_cast<std::size_t>(Op::tuple1) + 1);
      for (std::size_t i = elements.size(); i-- > 0;) elements[i] = pop();
      push_tuple(std::move(elements));
      return true;
    }
    case Op::append: {
      const Ref value = pop();
      append_to_top(std::span(&value, 1));
      return true;
    }
    case Op::append_all:
      append_to_top(pop_to_mark());
      return true;
    case Op::set_item: {
      const Ref value = pop();
      const Ref pair[] = {pop(), value};
      add_pairs(pair);
      return true;
    }
    case Op::set_items:
      add_pairs(pop_to_mark());
      return true;
    case Op::add_items:
      pop_to_mark();
      top_of(Kind::opaque, "a set");
      return true;
    default:
      return false;
  }
}

// Values are written down under a number to be used again.
void Unpickler::remember(Op op) {
  if (op == Op::get1 || op == Op::get4) {
    const auto found = memo_.find(number(op == Op::get1 ? 1 : 4));
    if (found == memo_.end()) fail("a value of the pickle is used before it is there");
    push_ref(found->second);
    return;
  }
  const std::uint64_t key = op == Op::memoize ? memo_.size() : number(op == Op::put1 ? 1 : 4);
  const Ref value = pop();
  stack_.push_back(value);
  memo_[key] = value;
  if (memo_.size() > static_cast<std::size_t>(limits::kPickleValues)) fail("too many values");
}

bool Unpickler::step(Op op) {
  switch (op) {
    case Op::stop:
      out_.root_ = pop();
      return true;
    case Op::protocol:
      if (const unsigned version = byte(); version < 2 || version > 5) {
        refuse("pickle protocol " + std::to_string(version) + ", expected 2 to 5");
      }
      return false;
    case Op::frame:
      take(8);
      return false;
    case Op::global: {
      const std::string_view module = line();
      push_global(module, line());
      return false;
    }
    case Op::stack_global: {
      const Ref global = pop(), module = pop();
      if (node(global).kind != Kind::text || node(module).kind != Kind::text) {
        fail("a global name that is no text");
      }
      push_global(node(module).text, node(global).text);
      return false;
    }
    case Op::persistent_id:
      load_storage();
      return false;
    case Op::reduce:
      reduce();
      return false;
    case Op::new_object:
    case Op::new_object_named:
      new_object(op);
      return false;
    case Op::build:
      build();
      return false;
    case Op::put1:
    case Op::put4:
    case Op::memoize:
    case Op::get1:
    case Op::get4:
      remember(op);
      return false;
    default:
      break;
  }
  if (read_value(op) || read_opaque(op) || change_stack(op)) return false;
  refuse("pickle opcode " + std::to_string(static_cast<unsigned>(op)) +
         ", which no dictionary of tensors needs");
}

Pickle Pickle::read(std::span<const std::byte> bytes, const std::string& name) {
  return Unpickler(bytes, name).run();
}

Pickle Pickle::read_next(std::span<const std::byte>& bytes, const std::string& name) {
  Unpickler unpickler(bytes, name);
  Pickle pickle = unpickler.run();
  bytes = bytes.subspan(unpickler.read());
  return pickle;
}

}  // namespace instructblip
