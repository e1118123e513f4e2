#include "nn/embedding.h"

#include <string>

#include "instructblip/error.h"

namespace instructblip::nn {

Embedding::Embedding(const Weights& weights, std::int64_t rows, std::int64_t width, Tied tied)
    : runtime_(&weights.runtime()),
      table_(tied == Tied::no ? weights.table("weight", {rows, width})
                              : weights.of(Module::head).matrix("weight", {rows, width})) {}

Embedding::Tied Embedding::tied_if(bool tied) { return tied ? Tied::to_head : Tied::no; }

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
