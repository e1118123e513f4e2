// Reads the pickles that torch.save() makes of dictionaries of tensors. Nothing is ever executed:
// the functions that such a pickle calls are known by name, those that make the plain values which
// stand beside weights among them, and any other is an error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/dtype.h"
#include "core/shape.h"

namespace instructblip {

// A tensor as the pickle states it, before its extent is known to lie inside its storage.
struct PickledTensor {
  DType dtype;
  std::string_view storage;       // name of the storage
  std::int64_t storage_elements;  // elements of the whole storage
  std::int64_t offset;            // elements
  Shape shape, strides;           // strides in elements
};

// What was pickled: a graph of plain values in one flat list, which refers to them by index, so
// that no nesting of input becomes a nesting of calls.
class Pickle {
 public:
  using Ref = std::uint32_t;
  enum class Kind {
    none,
    boolean,
    integer,
    real,
    text,
    list,
    tuple,
    dictionary,
    function,  // a global name of the list of known ones
    storage,
    tensor,
    opaque,  // a value that says nothing about weights, whatever it is made of
  };

  // `bytes` must outlive the result; `name` is that of the file, for messages. Throws
  // Error(bad_model) for damage, Error(unsupported) for a global or an opcode that tensor
  // dictionaries do not need.
  static Pickle read(std::span<const std::byte> bytes, const std::string& name);
  // The same of the pickle that `bytes` begin with; afterwards they begin behind it.
  static Pickle read_next(std::span<const std::byte>& bytes, const std::string& name);

  Ref root() const { return root_; }
  Kind kind(Ref value) const { return nodes_[value].kind; }
  // Items of a dictionary in the order of insertion; a key may occur twice, then the last counts.
  std::span<const std::pair<Ref, Ref>> items(Ref dictionary) const {
    return nodes_[dictionary].items;
  }
  bool truth(Ref boolean) const { return nodes_[boolean].integer != 0; }
  std::string_view text(Ref value) const { return nodes_[value].text; }
  std::span<const Ref> elements(Ref list) const { return nodes_[list].elements; }
  const PickledTensor& tensor(Ref value) const { return tensors_[nodes_[value].index]; }
  // Every storage that is referred to, and every tensor.
  std::span<const PickledTensor> storages() const { return tensors_; }

 private:
  friend class Unpickler;

  struct Node {
    Kind kind = Kind::none;
    std::int64_t integer = 0;  // also 0 or 1 of a boolean
    std::size_t index = 0;     // index of a tensor or storage, or which function
    std::string_view text;
    std::vector<Ref> elements;               // elements of a list or tuple
    std::vector<std::pair<Ref, Ref>> items;  // items of a dictionary
  };

  std::vector<Node> nodes_;
  std::vector<PickledTensor> tensors_;  // storages too: a tensor without a shape
  Ref root_ = 0;
};

}  // namespace instructblip
