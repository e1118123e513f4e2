// T5's positions: a learned bias on the score of each pair, by the distance between its members.
// Raffel et al., Exploring the Limits of Transfer Learning, 2020, section 2.1.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "nn/embedding.h"
#include "nn/weights.h"

namespace instructblip::nn {

struct RelativeBiasConfig {
  std::int64_t buckets;       // buckets of distances, each with a bias for every head
  std::int64_t max_distance;  // from which on all share the last bucket
  std::int64_t heads;
  enum class Direction { both, past } direction;  // past: nothing later is seen
};

class RelativeBias {
 public:
  // Reads `relative_attention_bias.weight` [buckets, heads].
  RelativeBias(const Weights& weights, const RelativeBiasConfig& config);

  // The bias of queries at first .. first + queries - 1 against keys at 0 .. keys - 1,
  // [H, queries, keys].
  at::Tensor between(std::int64_t first, std::int64_t queries, std::int64_t keys) const;

 private:
  at::Tensor bucket(const at::Tensor& relative) const;

  Embedding table_;  // [buckets, H]
  std::int64_t buckets_, max_distance_;
  RelativeBiasConfig::Direction direction_;
};

}  // namespace instructblip::nn
