#include "nn/embedding.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/index_select.h>

#include <algorithm>
#include <string>

#include "instructblip/error.h"

namespace instructblip::nn {

Embedding::Embedding(const Weights& weights, std::int64_t rows, std::int64_t width)
    : table_(weights.matrix("weight", {rows, width})) {}

at::Tensor Embedding::operator()(std::span<const std::int32_t> ids) const {
  at::Tensor index = at::empty({static_cast<std::int64_t>(ids.size())}, at::dtype(at::kInt));
  std::copy(ids.begin(), ids.end(), index.data_ptr<std::int32_t>());
  for (const std::int32_t id : ids) {
    if (id < 0 || id >= rows()) {
      throw Error(ErrorCode::bad_model, "token id " + std::to_string(id) +
                                            " has no row in an embedding of " +
                                            std::to_string(rows()));
    }
  }
  return at::index_select(table_, 0, index).to(at::kFloat);
}

}  // namespace instructblip::nn
