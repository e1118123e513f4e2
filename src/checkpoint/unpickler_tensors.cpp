// What a pickle of tensors refers to and calls.
#include <algorithm>
#include <iterator>

#include "checkpoint/unpickler.h"
#include "core/limits.h"

namespace instructblip {

void Unpickler::push_global(std::string_view module, std::string_view global) {
  if (const auto index = find_global(module, global)) {
    Node function;
    function.kind = Kind::function;
    function.index = *index;
    push(std::move(function));
    return;
  }
  refuse("the pickle wants " + quote(std::string(module) + "." + std::string(global)) +
         ", which no dictionary of tensors needs");
}

std::int64_t Unpickler::integer(Ref value, std::string_view what) {
  if (node(value).kind != Kind::integer) fail(std::string(what) + " is no integer");
  return node(value).integer;
}

const KnownGlobal* Unpickler::known(Ref value) {
  return node(value).kind == Kind::function ? &known_global(node(value).index) : nullptr;
}

// ('storage', type, name, device, elements[, the part of another storage that it is])
void Unpickler::load_storage() {
  const Ref id = pop();
  const std::vector<Ref>& parts = node(id).elements;
  if (node(id).kind != Kind::tuple || parts.size() < 5 || parts.size() > 6 ||
      node(parts[0]).kind != Kind::text || node(parts[0]).text != "storage" ||
      node(parts[2]).kind != Kind::text) {
    fail("a reference to something that is no storage");
  }
  if (parts.size() == 6 && node(parts[5]).kind != Kind::none) {
    refuse("a storage that is a part of another one");
  }
  const KnownGlobal* type = known(parts[1]);
  if (type == nullptr || type->function != Function::storage_type) {
    fail("a storage without an element type");
  }
  if (std::ssize(node(parts[2]).text) > limits::kPickleNameBytes) {
    fail("a storage whose name has " + std::to_string(node(parts[2]).text.size()) +
         " bytes, expected at most " + std::to_string(limits::kPickleNameBytes));
  }
  Node storage;
  storage.kind = Kind::storage;
  storage.index = out_.tensors_.size();
  out_.tensors_.push_back(
      {type->dtype, node(parts[2]).text, integer(parts[4], "the size of a storage"), 0, {}, {}});
  push(std::move(storage));
}

Shape Unpickler::sizes(Ref tuple, std::string_view what) {
  if (node(tuple).kind != Kind::tuple) fail(std::string(what) + " of a tensor is no tuple");
  if (std::ssize(node(tuple).elements) > limits::kTensorRank) {
    fail(std::string(what) + " of a tensor of " + std::to_string(node(tuple).elements.size()) +
         " dimensions, expected at most " + std::to_string(limits::kTensorRank));
  }
  Shape sizes;
  for (const Ref size : node(tuple).elements) sizes.push_back(integer(size, what));
  return sizes;
}

// (storage, offset, shape, strides, requires_grad, hooks[, metadata]), or with `names_type`, where
// the storage is one of bytes, (..., hooks, type[, metadata])
PickledTensor Unpickler::rebuild_tensor(const std::vector<Ref>& arguments, bool names_type) {
  if (arguments.size() < 4 || node(arguments[0]).kind != Kind::storage) {
    fail("a tensor without a storage");
  }
  PickledTensor tensor = out_.tensors_[node(arguments[0]).index];
  if (names_type) {
    const KnownGlobal* type = arguments.size() > 6 ? known(arguments[6]) : nullptr;
    if (type == nullptr || type->function != Function::element_type) {
      refuse("a tensor of elements that are no weights");
    }
    const auto width = static_cast<std::int64_t>(size_of(type->dtype));
    if (size_of(tensor.dtype) != 1 || tensor.storage_elements % width != 0) {
      fail("a storage that is not of whole elements");
    }
    tensor.dtype = type->dtype;
    tensor.storage_elements /= width;
  }
  tensor.offset = integer(arguments[1], "the offset of a tensor");
  tensor.shape = sizes(arguments[2], "the shape");
  tensor.strides = sizes(arguments[3], "the strides");
  return tensor;
}

// The value of a call; an opaque one where the function is inert, whatever its arguments are.
Pickle::Ref Unpickler::call(const KnownGlobal& function, Ref arguments) {
  Node result;
  if (function.function == Function::inert) {
    result.kind = Kind::opaque;
    return add(std::move(result));
  }
  if (std::ssize(node(arguments).elements) > limits::kPickleArguments) {
    fail("a call with " + std::to_string(node(arguments).elements.size()) +
         " arguments, expected at most " + std::to_string(limits::kPickleArguments));
  }
  const std::vector<Ref> values = node(arguments).elements;
  switch (function.function) {
    case Function::dictionary:
      // The type of a defaultdict's values makes none of them.
      if (std::ranges::any_of(values, [&](Ref value) { return known(value) == nullptr; })) {
        refuse("a " + std::string(function.name) + " with arguments");
      }
      result.kind = Kind::dictionary;
      return add(std::move(result));
    case Function::rebuild_tensor:
    case Function::rebuild_tensor_of_type:
      result.kind = Kind::tensor;
      out_.tensors_.push_back(
          rebuild_tensor(values, function.function == Function::rebuild_tensor_of_type));
      result.index = out_.tensors_.size() - 1;
      return add(std::move(result));
    case Function::rebuild_parameter:
      if (values.empty() || node(values[0]).kind != Kind::tensor) {
        fail("a parameter without a tensor");
      }
      return values[0];
    default:
      refuse("the pickle calls " + quote(function.name));
  }
}

// (function, type, its arguments, state): what a tensor with attributes of its own is made of.
Pickle::Ref Unpickler::rebuild_from_type(Ref arguments) {
  const std::vector<Ref>& values = node(arguments).elements;
  const KnownGlobal* function = values.size() == 4 ? known(values[0]) : nullptr;
  if (function == nullptr || known(values[1]) == nullptr || node(values[2]).kind != Kind::tuple) {
    fail("a tensor of no type");
  }
  return call(*function, values[2]);
}

void Unpickler::reduce() {
  const Ref arguments = pop();
  const Ref callable = pop();
  const KnownGlobal* function = known(callable);
  if (node(arguments).kind != Kind::tuple || function == nullptr) {
    fail("a call of something that is no function");
  }
  push_ref(function->function == Function::rebuild_from_type ? rebuild_from_type(arguments)
                                                             : call(*function, arguments));
}

// type.__new__(type, *arguments[, **names]), which nothing but plain values needs.
void Unpickler::new_object(Op op) {
  if (op == Op::new_object_named && node(pop()).kind != Kind::dictionary) {
    fail("names of arguments that are no dictionary");
  }
  const Ref arguments = pop();
  const KnownGlobal* type = known(pop());
  if (type == nullptr || node(arguments).kind != Kind::tuple) {
    fail("an object of something that is no type");
  }
  if (type->function != Function::inert) refuse("an object of type " + quote(type->name));
  push_ref(call(*type, arguments));
}

// The state of an object: what a dictionary of tensors carries beside its items, which says nothing
// about weights.
void Unpickler::build() {
  const Ref state = pop();
  if (is_opaque_on_top()) return;
  if (node(state).kind != Kind::dictionary) refuse("the state of an object is no dictionary");
  top_of(Kind::dictionary, "a dictionary");
}

}  // namespace instructblip
