// The machine behind Pickle::read().
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "checkpoint/pickle.h"
#include "checkpoint/unpickler_globals.h"
#include "core/errors.h"

namespace instructblip {

// Python's Lib/pickletools.py describes each opcode; these are what torch.save() of a dictionary of
// tensors and plain values uses in protocols 2 to 5.
enum class Op : std::uint8_t {
  mark = '(',
  stop = '.',
  pop = '0',
  pop_mark = '1',
  binary_bytes = 'B',
  short_bytes = 'C',
  binary_float = 'G',
  binary_int = 'J',
  binary_int1 = 'K',
  binary_int2 = 'M',
  none = 'N',
  persistent_id = 'Q',
  reduce = 'R',
  binary_unicode = 'X',
  append = 'a',
  build = 'b',
  global = 'c',
  append_all = 'e',
  get1 = 'h',
  get4 = 'j',
  empty_list = ']',
  empty_tuple = ')',
  empty_dictionary = '}',
  put1 = 'q',
  put4 = 'r',
  set_item = 's',
  tuple = 't',
  set_items = 'u',
  protocol = 0x80,
  new_object = 0x81,
  tuple1 = 0x85,
  tuple2 = 0x86,
  tuple3 = 0x87,
  yes = 0x88,
  no = 0x89,
  long1 = 0x8a,
  long4 = 0x8b,
  short_unicode = 0x8c,
  binary_unicode8 = 0x8d,
  binary_bytes8 = 0x8e,
  empty_set = 0x8f,
  add_items = 0x90,
  frozen_set = 0x91,
  new_object_named = 0x92,
  stack_global = 0x93,
  memoize = 0x94,
  frame = 0x95,
  byte_array8 = 0x96,
};

// The stack machine of the format, without the part of it that calls.
class Unpickler {
 public:
  Unpickler(std::span<const std::byte> bytes, const std::string& name)
      : bytes_(bytes), name_(name) {}

  Pickle run() {
    while (!step(static_cast<Op>(byte()))) {
    }
    return std::move(out_);
  }
  // Bytes that run() has read.
  std::size_t read() const { return at_; }

 private:
  using Ref = Pickle::Ref;
  using Kind = Pickle::Kind;
  using Node = Pickle::Node;

  // True at the end of the pickle.
  bool step(Op op);
  bool read_value(Op op);    // what pushes a value of its own
  bool read_opaque(Op op);   // one that is passed over
  bool change_stack(Op op);  // what puts values together
  void remember(Op op);

  // --- bytes
  std::uint8_t byte() { return std::to_integer<std::uint8_t>(take(1)[0]); }
  std::span<const std::byte> take(std::uint64_t count);
  std::uint64_t number(std::size_t count);
  std::string_view text(std::uint64_t count);
  std::string_view line();
  Node long_integer(std::uint64_t count);

  // --- values
  Ref add(Node node);
  void push(Node node) { push_ref(add(std::move(node))); }
  void push_ref(Ref value);
  void push_opaque();
  Ref pop();
  std::vector<Ref> pop_to_mark();
  Node& node(Ref value) { return out_.nodes_[value]; }
  Node& top_of(Kind kind, std::string_view what);
  bool is_opaque_on_top();
  void push_tuple(std::vector<Ref> elements);
  void push_global(std::string_view module, std::string_view global);
  void add_pairs(std::span<const Ref> pairs);
  void append_to_top(std::span<const Ref> values);

  // --- what a pickle of tensors calls
  void reduce();
  void new_object(Op op);
  void build();
  void load_storage();
  Ref call(const KnownGlobal& function, Ref arguments);
  Ref rebuild_from_type(Ref arguments);
  PickledTensor rebuild_tensor(const std::vector<Ref>& arguments, bool names_type);
  Shape sizes(Ref tuple, std::string_view what);
  std::int64_t integer(Ref value, std::string_view what);
  const KnownGlobal* known(Ref value);

  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ErrorCode::bad_model, printable(name_) + ": " + what,
                "the file is damaged or was edited; download or save it again");
  }
  [[noreturn]] void refuse(const std::string& what) const {
    throw Error(
        ErrorCode::unsupported, printable(name_) + ": " + what,
        "expected a dictionary of tensors as torch.save(model.state_dict(), ...) writes it; "
        "nothing in the file was executed");
  }

  std::span<const std::byte> bytes_;
  const std::string& name_;
  std::size_t at_ = 0;
  Pickle out_;
  std::vector<Ref> stack_;
  std::vector<std::size_t> marks_;
  std::unordered_map<std::uint64_t, Ref> memo_;
};

}  // namespace instructblip
