// T5's positions: a learned bias on the score of each pair, by the distance between its members.
// Raffel et al., Exploring the Limits of Transfer Learning, 2020, section 2.1.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

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
  // The bucket of a key at `relative` positions behind its query, in front of it where negative.
  std::int32_t bucket(std::int64_t relative) const;

  Embedding table_;  // [buckets, H]
  RelativeBiasConfig::Direction direction_;
  std::int32_t later_;                 // added to the bucket of a key behind its query
  std::vector<std::int32_t> buckets_;  // by distance; the last one holds for all that are greater
};

}  // namespace instructblip::nn
