// Builds the bytes of safetensors files, correct ones and broken ones.
#pragma once

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <string>
#include <string_view>
#include <vector>

#include "core/dtype.h"
#include "core/json.h"
#include "core/shape.h"

namespace instructblip::test {

// `header` behind its length, before `data`.
inline std::string safetensors_file(std::string_view header, std::string_view data = {}) {
  std::string out;
  for (int i = 0; i < 8; ++i) {
    out += static_cast<char>((static_cast<std::uint64_t>(header.size()) >> (8 * i)) & 0xFF);
  }
  return out.append(header).append(data);
}

struct TensorOf {
  std::string name;
  Shape shape;
  DType dtype = DType::f32;
};

// A correct file with zero-filled tensors in the given order.
inline std::string safetensors_of(const std::vector<TensorOf>& tensors) {
  std::string header = "{";
  std::size_t end = 0;
  for (const TensorOf& tensor : tensors) {
    const std::size_t begin = end;
    end += static_cast<std::size_t>(checked_elements(tensor.shape).value()) * size_of(tensor.dtype);
    header += (header.size() > 1 ? "," : "") + json_literal(tensor.name) + R"(:{"dtype":")" +
              std::string(name_of(tensor.dtype)) + R"(","shape":)" + to_string(tensor.shape) +
              R"(,"data_offsets":)" +
              to_string({static_cast<std::int64_t>(begin), static_cast<std::int64_t>(end)}) + "}";
  }
  return safetensors_file(header + "}", std::string(end, '\0'));
}

}  // namespace instructblip::test
