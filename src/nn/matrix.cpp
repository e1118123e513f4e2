#include "nn/matrix.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/index_select.h>

#include <algorithm>
#include <string>

#include "instructblip/error.h"

namespace instructblip::nn {
namespace {

// Rows of a packed matrix as float32, those that `row(i)` names.
template <class Row>
at::Tensor unpacked(const PackedMatrix& packed, std::int64_t count, const Row& row) {
  const at::Tensor out = at::empty({count, packed.columns()}, host(at::kFloat));
  auto* const to = out.mutable_data_ptr<float>();
  for (std::int64_t i = 0; i < count; ++i) packed.read_row(row(i), to + i * packed.columns());
  return out;
}

}  // namespace

std::int64_t Matrix::rows() const {
  if (packed_ || tiled_) return count_;
  std::int64_t rows = 0;
  for (const at::Tensor& block : blocks_) rows += block.size(0);
  return rows;
}

std::int64_t Matrix::columns() const {
  if (packed_) return packed_->columns();
  return tiled_ ? tiled_->columns() : blocks_.front().size(1);
}

at::Tensor Matrix::tiled_values(at::ScalarType type) const {
  return tiled_->values(type).narrow(0, first_, count_);
}

Format format_of(at::ScalarType type) {
  switch (type) {
    case at::kHalf:
      return Format::f16;
    case at::kBFloat16:
      return Format::bf16;
    default:
      return Format::f32;
  }
}

Format Matrix::format() const {
  if (packed_) return packed_->format();
  return tiled_ ? tiled_->format() : format_of(blocks_.front().scalar_type());
}

Matrix Matrix::some_rows(std::int64_t first, std::int64_t count) const {
  if (first < 0 || count < 1 || first + count > rows()) {
    throw Error(ErrorCode::internal, "rows " + std::to_string(first) + " to " +
                                         std::to_string(first + count) + " of a matrix of " +
                                         std::to_string(rows()));
  }
  if (packed_ || tiled_) {
    Matrix some = *this;
    some.first_ += first;
    some.count_ = count;
    return some;
  }
  std::vector<at::Tensor> blocks;
  for (const at::Tensor& block : blocks_) {
    const std::int64_t begin = std::min(first, block.size(0));
    const std::int64_t taken = std::min(count, block.size(0) - begin);
    if (taken > 0) blocks.push_back(block.narrow(0, begin, taken));
    first -= begin;
    count -= taken;
  }
  return Matrix(std::move(blocks));
}

at::Tensor Matrix::gather(const at::Tensor& ids) const {
  if (packed_) {
    const auto* const id = ids.const_data_ptr<std::int32_t>();
    return unpacked(*packed_, ids.numel(), [&](std::int64_t i) { return first_ + id[i]; });
  }
  if (tiled_) return at::index_select(tiled_values(at::kFloat), 0, ids);
  const at::Tensor all = blocks_.size() == 1 ? blocks_.front() : at::cat(blocks_);
  return at::index_select(all, 0, ids).to(at::kFloat);
}

at::Tensor Matrix::values() const {
  if (packed_) {
    return unpacked(*packed_, count_, [&](std::int64_t i) { return first_ + i; });
  }
  if (tiled_) return tiled_values(at::kFloat);
  const at::Tensor all = blocks_.size() == 1 ? blocks_.front() : at::cat(blocks_);
  return all.to(at::kFloat);
}

}  // namespace instructblip::nn
