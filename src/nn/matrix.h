// A weight matrix in any format.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace instructblip::nn {

// How the elements of a matrix are held. Vectors and small tables are always float32.
enum class Format { f32, f16, bf16 };

// Rows that share their columns: one weight, or several that take the same input, stacked. Shared
// and cheap to copy; immutable. Rows lie one after the other in blocks, which are where the file
// has them or in memory of their own; a kernel that wants another order packs here.
class Matrix {
 public:
  // [rows, columns] float32, f16 or bf16.
  explicit Matrix(at::Tensor values) : blocks_{std::move(values)} {}
  // Blocks [rows of each, columns] of one format, one at least.
  explicit Matrix(std::vector<at::Tensor> blocks) : blocks_(std::move(blocks)) {}

  std::int64_t rows() const;
  std::int64_t columns() const { return blocks_.front().size(1); }
  Format format() const;

  // The rows first .. first + count - 1: one at least, all of them rows of the matrix.
  Matrix some_rows(std::int64_t first, std::int64_t count) const;

  // The rows of these ids, [T, columns] float32. `ids` [T] int32, each in [0, rows()).
  at::Tensor gather(const at::Tensor& ids) const;
  // All of it, [rows, columns] float32.
  at::Tensor values() const;

  // What products are computed from.
  std::span<const at::Tensor> blocks() const { return blocks_; }

 private:
  std::vector<at::Tensor> blocks_;
};

}  // namespace instructblip::nn
