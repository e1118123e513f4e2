// A table of vectors looked up by token id.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>

#include "nn/weights.h"

namespace instructblip::nn {

class Embedding {
 public:
  // Reads `weight` [rows, width].
  Embedding(const Weights& weights, std::int64_t rows, std::int64_t width);

  // [T, width] float32. Every id must be in [0, rows).
  at::Tensor operator()(std::span<const std::int32_t> ids) const;

  std::int64_t rows() const { return table_.size(0); }
  std::int64_t width() const { return table_.size(1); }
  const at::Tensor& table() const { return table_; }

 private:
  at::Tensor table_;  // [rows, width]
};

}  // namespace instructblip::nn
