// What a pickle of tensors refers to and calls.
#include <array>
#include <iterator>

#include "checkpoint/unpickler.h"
#include "core/limits.h"

namespace instructblip {
namespace {

// What a pickle may call.
enum class Function { ordered_dictionary, rebuild_tensor, rebuild_parameter, storage_type };

}  // namespace

struct KnownGlobal {
  std::string_view module, name;
  Function function;
  DType dtype = DType::f32;  // of a storage type
};

namespace {

constexpr std::array<KnownGlobal, 14> kKnown = {{
    {"collections", "OrderedDict", Function::ordered_dictionary},
    {"torch._utils", "_rebuild_tensor_v2", Function::rebuild_tensor},
    {"torch._utils", "_rebuild_tensor", Function::rebuild_tensor},  // before PyTorch 0.4
    {"torch._utils", "_rebuild_parameter", Function::rebuild_parameter},
    {"torch", "FloatStorage", Function::storage_type, DType::f32},
    {"torch", "HalfStorage", Function::storage_type, DType::f16},
    {"torch", "BFloat16Storage", Function::storage_type, DType::bf16},
    {"torch", "DoubleStorage", Function::storage_type, DType::f64},
    {"torch", "LongStorage", Function::storage_type, DType::i64},
    {"torch", "IntStorage", Function::storage_type, DType::i32},
    {"torch", "ShortStorage", Function::storage_type, DType::i16},
    {"torch", "CharStorage", Function::storage_type, DType::i8},
    {"torch", "ByteStorage", Function::storage_type, DType::u8},
    {"torch", "BoolStorage", Function::storage_type, DType::boolean},
}};

}  // namespace

void Unpickler::push_global(std::string_view module, std::string_view global) {
  for (std::size_t i = 0; i < kKnown.size(); ++i) {
    if (kKnown[i].module != module || kKnown[i].name != global) continue;
    Node function;
    function.kind = Kind::function;
    function.index = i;
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
  return node(value).kind == Kind::function ? &kKnown[node(value).index] : nullptr;
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

// (storage, offset, shape, strides, requires_grad, hooks[, metadata])
PickledTensor Unpickler::rebuild_tensor(const std::vector<Ref>& arguments) {
  if (arguments.size() < 4 || node(arguments[0]).kind != Kind::storage) {
    fail("a tensor without a storage");
  }
  PickledTensor tensor = out_.tensors_[node(arguments[0]).index];
  tensor.offset = integer(arguments[1], "the offset of a tensor");
  tensor.shape = sizes(arguments[2], "the shape");
  tensor.strides = sizes(arguments[3], "the strides");
  return tensor;
}

void Unpickler::reduce() {
  const Ref arguments = pop();
  const Ref callable = pop();
  const KnownGlobal* function = known(callable);
  if (node(arguments).kind != Kind::tuple || function == nullptr) {
    fail("a call of something that is no function");
  }
  if (std::ssize(node(arguments).elements) > limits::kPickleArguments) {
    fail("a call with " + std::to_string(node(arguments).elements.size()) +
         " arguments, expected at most " + std::to_string(limits::kPickleArguments));
  }
  const std::vector<Ref> values = node(arguments).elements;
  Node result;
  switch (function->function) {
    case Function::ordered_dictionary:
      if (!values.empty()) refuse("an OrderedDict with arguments");
      result.kind = Kind::dictionary;
      push(std::move(result));
      return;
    case Function::rebuild_tensor:
      result.kind = Kind::tensor;
      out_.tensors_.push_back(rebuild_tensor(values));
      result.index = out_.tensors_.size() - 1;
      push(std::move(result));
      return;
    case Function::rebuild_parameter:
      if (values.empty() || node(values[0]).kind != Kind::tensor) {
        fail("a parameter without a tensor");
      }
      push_ref(values[0]);
      return;
    case Function::storage_type:
      break;
  }
  refuse("the pickle calls " + quote(function->name));
}

// The state of an object: what a dictionary of tensors carries beside its items, which says nothing
// about weights.
void Unpickler::build() {
  const Ref state = pop();
  if (node(state).kind != Kind::dictionary) refuse("the state of an object is no dictionary");
  top_of(Kind::dictionary, "a dictionary");
}

}  // namespace instructblip
