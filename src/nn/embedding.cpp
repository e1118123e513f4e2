#include "nn/embedding.h"

#include <string>

#include "instructblip/error.h"

namespace instructblip::nn {

Embedding::Embedding(const Weights& weights, std::int64_t rows, std::int64_t width)
    : runtime_(&weights.runtime()), table_(weights.matrix("weight", {rows, width})) {}

at::Tensor Embedding::operator()(std::span<const std::int32_t> ids) const {
  for (const std::int32_t id : ids) {
    if (id < 0 || id >= rows()) {
      throw Error(ErrorCode::bad_model, "token id " + std::to_string(id) +
                                            " has no row in an embedding of " +
                                            std::to_string(rows()));
    }
  }
  return table_.gather(runtime_->ids(ids));
}

}  // namespace instructblip::nn
