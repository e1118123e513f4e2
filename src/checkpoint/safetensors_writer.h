// Writes tensors as one safetensors file.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <span>
#include <string>

#include "core/dtype.h"
#include "core/file.h"
#include "core/shape.h"

namespace instructblip {

struct TensorToWrite {
  std::string name;
  DType dtype;
  Shape shape;
  std::span<const std::byte> bytes = {};  // row-major, little-endian
  // Where it is set, hands the bytes out when their turn comes, in as many pieces as it likes, so
  // that not all tensors need be in memory at once.
  std::function<void(const ByteSink&)> make = {};
};

// Writes `file` whole or not at all; an older file of that name is replaced by rename, or left as
// it was. Throws Error(io), and whatever `make` throws.
void write_safetensors(const std::filesystem::path& file, std::span<const TensorToWrite> tensors);

}  // namespace instructblip
