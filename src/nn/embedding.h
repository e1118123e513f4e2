// A table of vectors looked up by token id.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>

#include "nn/matrix.h"
#include "nn/weights.h"

namespace instructblip::nn {

class Embedding {
 public:
  // Whether a head multiplies with the table as well, which then is held as heads are.
  enum class Tied { no, to_head };

  static Tied tied_if(bool tied);

  // Reads `weight` [rows, width].
  Embedding(const Weights& weights, std::int64_t rows, std::int64_t width, Tied tied = Tied::no);

  // [T, width] float32. Throws Error(bad_model) where an id is not in [0, rows).
  at::Tensor operator()(std::span<const std::int32_t> ids) const;
  // The rows first .. first + count - 1, [count, width] float32.
  at::Tensor slice(std::int64_t first, std::int64_t count) const {
    return table_.some_rows(first, count).values();
  }

  std::int64_t rows() const { return table_.rows(); }
  std::int64_t width() const { return table_.columns(); }
  // What a head that is tied to the embedding multiplies with.
  const Matrix& matrix() const { return table_; }

 private:
  const Runtime* runtime_;
  Matrix table_;  // [rows, width]
};

}  // namespace instructblip::nn
