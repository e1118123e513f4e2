// A weight matrix in any format.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "nn/packed_matrix.h"

namespace instructblip::nn {

// The format whose values are of this type; f32 for all others.
Format format_of(at::ScalarType type);

// Rows that share their columns: one weight, or several that take the same input, stacked. Shared
// and cheap to copy; immutable. Rows lie one after the other in blocks, which are where the file
// has them or in memory of their own, or they are packed for our own kernels.
class Matrix {
 public:
  // [rows, columns] float32, f16 or bf16.
  explicit Matrix(at::Tensor values) : blocks_{std::move(values)} {}
  // Blocks [rows of each, columns] of one format, one at least.
  explicit Matrix(std::vector<at::Tensor> blocks) : blocks_(std::move(blocks)) {}

  // All rows of a packed one, which has one at least.
  explicit Matrix(std::shared_ptr<const PackedMatrix> packed)
      : packed_(std::move(packed)), count_(packed_->rows()) {}

  std::int64_t rows() const;
  std::int64_t columns() const { return packed_ ? packed_->columns() : blocks_.front().size(1); }
  Format format() const;

  // The rows first .. first + count - 1: one at least, all of them rows of the matrix.
  Matrix some_rows(std::int64_t first, std::int64_t count) const;

  // The rows of these ids, [T, columns] float32. `ids` [T] int32, each in [0, rows()).
  at::Tensor gather(const at::Tensor& ids) const;
  // All of it, [rows, columns] float32.
  at::Tensor values() const;

  // What products are computed from: blocks, or, where there are none, packed rows.
  std::span<const at::Tensor> blocks() const { return blocks_; }
  const PackedMatrix* packed() const { return packed_.get(); }
  std::int64_t first_packed_row() const { return first_; }

 private:
  std::vector<at::Tensor> blocks_;
  std::shared_ptr<const PackedMatrix> packed_;
  std::int64_t first_ = 0, count_ = 0;  // rows of the packed one
};

}  // namespace instructblip::nn
