#include "checkpoint/unpickler_globals.h"

#include <algorithm>
#include <iterator>

namespace instructblip {
namespace {

constexpr KnownGlobal kKnown[] = {
    {"collections", "OrderedDict", Function::dictionary},
    {"collections", "defaultdict", Function::dictionary},
    {"torch._utils", "_rebuild_tensor_v2", Function::rebuild_tensor},
    {"torch._utils", "_rebuild_tensor", Function::rebuild_tensor},  // before PyTorch 0.4
    {"torch._utils", "_rebuild_tensor_v3", Function::rebuild_tensor_of_type},
    {"torch._utils", "_rebuild_parameter", Function::rebuild_parameter},
    {"torch._utils", "_rebuild_parameter_with_state", Function::rebuild_parameter},
    {"torch._tensor", "_rebuild_from_type_v2", Function::rebuild_from_type},
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
    {"torch.storage", "UntypedStorage", Function::storage_type, DType::u8},
    {"torch", "float32", Function::element_type, DType::f32},
    {"torch", "float16", Function::element_type, DType::f16},
    {"torch", "bfloat16", Function::element_type, DType::bf16},
    {"torch", "float64", Function::element_type, DType::f64},
    {"torch", "int64", Function::element_type, DType::i64},
    {"torch", "int32", Function::element_type, DType::i32},
    {"torch", "int16", Function::element_type, DType::i16},
    {"torch", "int8", Function::element_type, DType::i8},
    {"torch", "uint64", Function::element_type, DType::u64},
    {"torch", "uint32", Function::element_type, DType::u32},
    {"torch", "uint16", Function::element_type, DType::u16},
    {"torch", "uint8", Function::element_type, DType::u8},
    {"torch", "bool", Function::element_type, DType::boolean},
    {"torch", "float8_e4m3fn", Function::element_type, DType::f8_e4m3},
    {"torch", "float8_e5m2", Function::element_type, DType::f8_e5m2},
};

constexpr KnownGlobal kInertGlobal = {"", "", Function::inert};

// Python 2's name of builtins is the one of protocol 2.
constexpr std::string_view kBuiltinModules[] = {"builtins", "__builtin__"};
constexpr std::string_view kBuiltins[] = {
    "bool", "bytearray", "bytes", "complex", "dict",  "float", "frozenset", "int",     "list",
    "long", "object",    "range", "set",     "slice", "str",   "tuple",     "unicode", "xrange",
};

// Module and name.
constexpr std::string_view kInert[] = {
    "_codecs.encode",
    "argparse.Namespace",
    "collections.Counter",
    "collections.deque",
    "datetime.date",
    "datetime.datetime",
    "datetime.timedelta",
    "datetime.timezone",
    "numpy._core.multiarray._reconstruct",
    "numpy._core.multiarray.scalar",
    "numpy._core.numeric._frombuffer",
    "numpy.bool",
    "numpy.bool_",
    "numpy.core.multiarray._reconstruct",
    "numpy.core.multiarray.scalar",
    "numpy.core.numeric._frombuffer",
    "numpy.dtype",
    "numpy.float16",
    "numpy.float32",
    "numpy.float64",
    "numpy.int32",
    "numpy.int64",
    "numpy.ndarray",
    "numpy.uint8",
    "pathlib.Path",
    "pathlib.PosixPath",
    "pathlib.PurePath",
    "pathlib.PurePosixPath",
    "pathlib.PureWindowsPath",
    "pathlib.WindowsPath",
    "pathlib._local.PosixPath",
    "pathlib._local.PurePosixPath",
    "pathlib._local.PureWindowsPath",
    "pathlib._local.WindowsPath",
    "torch.Size",
    "torch.Tensor",
    "torch.complex128",
    "torch.complex32",
    "torch.complex64",
    "torch.device",
    "torch.float8_e4m3fnuz",
    "torch.float8_e5m2fnuz",
    "torch.float8_e8m0fnu",
    "torch.nn.parameter.Buffer",
    "torch.nn.parameter.Parameter",
    "torch.qint32",
    "torch.qint8",
    "torch.quint8",
    "torch.serialization._get_layout",
    "torch.torch_version.TorchVersion",
    "types.SimpleNamespace",
};

bool is_inert(std::string_view module, std::string_view name) {
  if (std::ranges::find(kBuiltinModules, module) != std::end(kBuiltinModules)) {
    return std::ranges::find(kBuiltins, name) != std::end(kBuiltins);
  }
  return std::ranges::any_of(kInert, [&](std::string_view full) {
    return full.size() == module.size() + 1 + name.size() && full.starts_with(module) &&
           full[module.size()] == '.' && full.ends_with(name);
  });
}

}  // namespace

std::optional<std::size_t> find_global(std::string_view module, std::string_view name) {
  for (std::size_t i = 0; i < std::size(kKnown); ++i) {
    if (kKnown[i].module == module && kKnown[i].name == name) return i;
  }
  if (is_inert(module, name)) return std::size(kKnown);
  return std::nullopt;
}

const KnownGlobal& known_global(std::size_t index) {
  return index < std::size(kKnown) ? kKnown[index] : kInertGlobal;
}

}  // namespace instructblip
