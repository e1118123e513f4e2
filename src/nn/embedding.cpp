#include "nn/embedding.h"

#include <ATen/ops/index_select.h>

#include <string>

#include "instructblip/error.h"

namespace instructblip::nn {

Embedding::Embedding(const Weights& weights, std::int64_t rows, std::int64_t width, Tied tied)
    : runtime_(&weights.runtime()), table_(read(weights, rows, width, tied)) {}

// A device looks rows up where they lie, which it cannot in tiles.
Matrix Embedding::read(const Weights& weights, std::int64_t rows, std::int64_t width, Tied tied) {
  const bool on_device = weights.runtime().row_type() != at::kFloat;
  return tied == Tied::no || on_device ? weights.table("weight", {rows, width})
                                       : weights.of(Module::head).matrix("weight", {rows, width});
}

Embedding::Tied Embedding::tied_if(bool tied) { return tied ? Tied::to_head : Tied::no; }

void Embedding::check(std::span<const std::int32_t> ids) const {
  for (const std::int32_t id : ids) {
    if (id < 0 || id >= rows()) {
      throw Error(ErrorCode::bad_model, "token id " + std::to_string(id) +
                                            " has no row in an embedding of " +
                                            std::to_string(rows()));
    }
  }
}

at::Tensor Embedding::operator()(std::span<const std::int32_t> ids) const {
  check(ids);
  return (*this)(runtime_->ids(ids));
}

at::Tensor Embedding::operator()(const at::Tensor& ids) const {
  // In one launch where the table has the type of rows.
  if (table_.blocks().size() != 1) return table_.gather(ids).to(runtime_->row_type());
  return at::index_select(table_.blocks().front(), 0, ids).to(runtime_->row_type());
}

bool Embedding::has_values() const {
  return table_.packed() != nullptr || !table_.blocks().front().is_meta();
}

Embedding Embedding::from(std::int64_t first) const {
  return {*runtime_, table_.some_rows(first, rows() - first)};
}

at::Tensor Embedding::slice(std::int64_t first, std::int64_t count) const {
  return table_.some_rows(first, count).values().to(runtime_->row_type());
}

}  // namespace instructblip::nn
