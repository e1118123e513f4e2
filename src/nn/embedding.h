// A table of vectors looked up by token id.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <utility>

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

  // [T, width]. Throws Error(bad_model) where an id is not in [0, rows).
  at::Tensor operator()(std::span<const std::int32_t> ids) const;
  // The same of ids [T] int32 where the runtime has its tensors, which check() has been asked
  // about.
  at::Tensor operator()(const at::Tensor& ids) const;
  void check(std::span<const std::int32_t> ids) const;
  // The rows first .. first + count - 1, [count, width].
  at::Tensor slice(std::int64_t first, std::int64_t count) const;

  // Its rows from `first` on.
  Embedding from(std::int64_t first) const;

  // Whether it was read, and not only looked at.
  bool has_values() const;

  const Runtime& runtime() const { return *runtime_; }
  std::int64_t rows() const { return table_.rows(); }
  std::int64_t width() const { return table_.columns(); }
  // What a head that is tied to the embedding multiplies with.
  const Matrix& matrix() const { return table_; }

 private:
  static Matrix read(const Weights& weights, std::int64_t rows, std::int64_t width, Tied tied);
  Embedding(const Runtime& runtime, Matrix table) : runtime_(&runtime), table_(std::move(table)) {}

  const Runtime* runtime_;
  Matrix table_;  // [rows, width]
};

}  // namespace instructblip::nn
