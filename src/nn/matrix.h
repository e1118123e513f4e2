// A weight matrix in any format.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "nn/packed_matrix.h"
#include "nn/tiled_matrix.h"

namespace instructblip::nn {

// The format whose values are of this type; f32 for all others.
Format format_of(at::ScalarType type);

// Rows that share their columns: one weight, or several that take the same input, stacked. Shared
// and cheap to copy; immutable. Rows lie one after the other in blocks, which are where the file
// has them or in memory of their own, or they are packed for our own kernels, on a device in tiles.
class Matrix {
 public:
  // [rows, columns] float32, f16 or bf16.
  explicit Matrix(at::Tensor values) : blocks_{std::move(values)} {}
  // Blocks [rows of each, columns] of one format, one at least.
  explicit Matrix(std::vector<at::Tensor> blocks) : blocks_(std::move(blocks)) {}

  // All rows of a packed one, which has one at least.
  explicit Matrix(std::shared_ptr<const PackedMatrix> packed)
      : packed_(std::move(packed)), count_(packed_->rows()) {}

  explicit Matrix(std::shared_ptr<const TiledMatrix> tiled)
      : tiled_(std::move(tiled)), count_(tiled_->rows()) {}

  std::int64_t rows() const;
  std::int64_t columns() const;
  Format format() const;

  // The rows first .. first + count - 1: one at least, all of them rows of the matrix.
  Matrix some_rows(std::int64_t first, std::int64_t count) const;

  // The rows of these ids, [T, columns] float32. `ids` [T] int32, each in [0, rows()).
  at::Tensor gather(const at::Tensor& ids) const;
  // All of it, [rows, columns] float32.
  at::Tensor values() const;

  // What products are computed from: blocks, or, where there are none, packed rows or tiles.
  std::span<const at::Tensor> blocks() const { return blocks_; }
  const PackedMatrix* packed() const { return packed_.get(); }
  const TiledMatrix* tiled() const { return tiled_.get(); }
  // The first row of the packed ones, or of the tiles.
  std::int64_t first_packed_row() const { return first_; }
  // The rows of tiles, rounded to `type`, where they are.
  at::Tensor tiled_values(at::ScalarType type) const;

 private:
  std::vector<at::Tensor> blocks_;
  std::shared_ptr<const PackedMatrix> packed_;
  std::shared_ptr<const TiledMatrix> tiled_;
  std::int64_t first_ = 0, count_ = 0;  // rows of the packed or the tiled one
};

}  // namespace instructblip::nn
