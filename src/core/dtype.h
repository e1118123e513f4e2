// Element types of tensors as safetensors names them.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace instructblip {

enum class DType {
  f64,
  f32,
  f16,
  bf16,
  i64,
  i32,
  i16,
  i8,
  u64,
  u32,
  u16,
  u8,
  boolean,
  f8_e4m3,
  f8_e5m2
};

std::size_t size_of(DType dtype);
// "F32", the spelling of safetensors headers.
std::string_view name_of(DType dtype);
std::optional<DType> dtype_from_name(std::string_view name);
// F64, F32, F16, BF16: what a weight may be stored in.
bool is_weight_dtype(DType dtype);

}  // namespace instructblip
