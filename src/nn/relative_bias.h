// T5's positions: a learned bias on the score of each pair, by the distance between its members.
// Raffel et al., Exploring the Limits of Transfer Learning, 2020, section 2.1.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <utility>
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

// The bias of each distance, as kernels of a device look it up.
struct DistanceBias {
  at::Tensor table;  // [H, 2 * max_distance + 1] float32, at key - query = -max_distance, ...
  std::int64_t max_distance;  // from which on it stays the same
};

class RelativeBias {
 public:
  // Reads `relative_attention_bias.weight` [buckets, heads].
  RelativeBias(const Weights& weights, const RelativeBiasConfig& config);

  // The bias of queries at first .. first + queries - 1 against keys at 0 .. keys - 1,
  // [H, queries, keys].
  at::Tensor between(std::int64_t first, std::int64_t queries, std::int64_t keys) const;
  // Where the runtime is a device.
  const DistanceBias& by_distance() const { return by_distance_; }
  const Runtime& runtime() const { return *runtime_; }

 private:
  // The bucket of a key at `relative` positions behind its query, in front of it where negative.
  std::int32_t bucket(std::int64_t relative) const;

  const Runtime* runtime_;
  Embedding table_;  // [buckets, H]
  RelativeBiasConfig::Direction direction_;
  std::int32_t later_;                 // added to the bucket of a key behind its query
  std::vector<std::int32_t> buckets_;  // by distance; the last one holds for all that are greater
  DistanceBias by_distance_;
};

// The biases of packed sequences, or of hypotheses at the newest positions of their texts.
class RowBiases {
 public:
  struct Span {
    std::int64_t first, queries, keys;  // as RelativeBias::between() takes them
  };
  RowBiases(const RelativeBias& bias, std::vector<Span> spans)
      : bias_(&bias),
        spans_(std::move(spans)),
        made_(spans_.size()),
        made_by_distance_(spans_.size()) {}
  // Those of each part. Not on a device.
  explicit RowBiases(std::vector<at::Tensor> parts) : made_(std::move(parts)) {}

  // The bias of a part, [H, queries, keys]; made when it is first asked for.
  const at::Tensor& of(std::size_t part) const;
  // The same by the distance between query and key: [H, queries + keys - 1], that of query i and
  // key j at j - i + queries - 1. Not of biases that were given as parts.
  const at::Tensor& by_distance_of(std::size_t part) const;
  bool has_distances() const { return bias_ != nullptr; }
  const DistanceBias& by_distance() const { return bias_->by_distance(); }

 private:
  const RelativeBias* bias_ = nullptr;
  std::vector<Span> spans_;
  mutable std::vector<at::Tensor> made_, made_by_distance_;
};

}  // namespace instructblip::nn
