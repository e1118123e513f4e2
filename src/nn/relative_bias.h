// T5's positions: a learned bias on the score of each pair, by the distance between its members.
// Raffel et al., Exploring the Limits of Transfer Learning, 2020, section 2.1.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "checkpoint/model_config.h"
#include "nn/embedding.h"
#include "nn/weights.h"

namespace instructblip::nn {

class RelativeBias {
 public:
  enum class Direction { both, past };  // encoder; decoder, which sees nothing later

  // `weights` at the self-attention of the stack's first block, whose table all blocks share.
  RelativeBias(const Weights& weights, const T5Config& config, Direction direction);

  // The bias of queries at first .. first + queries - 1 against keys at 0 .. keys - 1,
  // [H, queries, keys].
  at::Tensor between(std::int64_t first, std::int64_t queries, std::int64_t keys) const;

 private:
  at::Tensor bucket(const at::Tensor& relative) const;

  Embedding table_;  // [buckets, H]
  std::int64_t buckets_, max_distance_;
  Direction direction_;
};

}  // namespace instructblip::nn
