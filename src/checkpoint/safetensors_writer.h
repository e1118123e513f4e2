// Writes tensors as one safetensors file.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

#include "core/dtype.h"
#include "core/shape.h"

namespace instructblip {

struct TensorToWrite {
  std::string name;
  DType dtype;
  Shape shape;
  std::span<const std::byte> bytes;  // row-major, little-endian
};

// Writes `file` whole or not at all; an older file of that name is replaced by rename, or left as
// it was. Throws Error(io).
void write_safetensors(const std::filesystem::path& file, std::span<const TensorToWrite> tensors);

}  // namespace instructblip
