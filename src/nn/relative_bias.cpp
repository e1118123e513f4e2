#include "nn/relative_bias.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/clamp_max.h>
#include <ATen/ops/log.h>
#include <ATen/ops/where.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace instructblip::nn {
namespace {

// The bucket of each distance 0 .. max_distance, of `count` buckets. Half of them hold one distance
// each, the other half grow logarithmically up to max_distance. In the reference's order of
// operations, because distances on a border between buckets depend on it.
std::vector<std::int32_t> buckets_of(std::int64_t count, std::int64_t max_distance) {
  const std::int64_t exact = count / 2;
  const double range = std::log(static_cast<double>(max_distance) / static_cast<double>(exact));
  const at::Tensor distance = at::arange(max_distance + 1, host(at::kLong));
  const at::Tensor logarithmic =
      exact + (at::log(distance.to(at::kFloat) / exact) / range * (count - exact)).to(at::kLong);
  const at::Tensor all =
      at::where(distance < exact, distance, at::clamp_max(logarithmic, count - 1));
  const auto* first = all.const_data_ptr<std::int64_t>();
  return {first, first + all.numel()};
}

}  // namespace

RelativeBias::RelativeBias(const Weights& weights, const RelativeBiasConfig& config)
    : runtime_(&weights.runtime()),
      table_(weights / "relative_attention_bias", config.buckets, config.heads),
      direction_(config.direction) {
  const bool both = direction_ == RelativeBiasConfig::Direction::both;
  const std::int64_t count = both ? config.buckets / 2 : config.buckets;
  later_ = both ? static_cast<std::int32_t>(count) : 0;
  buckets_ = buckets_of(count, config.max_distance);
  if (runtime_->device().is_cpu() || !table_.has_values()) return;
  const std::int64_t far = config.max_distance;
  std::vector<std::int32_t> all;
  for (std::int64_t distance = -far; distance <= far; ++distance) all.push_back(bucket(distance));
  by_distance_ = {table_(all).to(at::kFloat).t().contiguous(), far};
}

std::int32_t RelativeBias::bucket(std::int64_t relative) const {
  const bool past = direction_ == RelativeBiasConfig::Direction::past;
  const std::int64_t distance = past ? std::max<std::int64_t>(-relative, 0) : std::abs(relative);
  const auto known = static_cast<std::size_t>(std::min(distance, std::ssize(buckets_) - 1));
  return buckets_[known] + (relative > 0 ? later_ : 0);
}

at::Tensor RelativeBias::between(std::int64_t first, std::int64_t queries,
                                 std::int64_t keys) const {
  std::vector<std::int32_t> buckets;
  buckets.reserve(static_cast<std::size_t>(queries * keys));
  for (std::int64_t query = first; query < first + queries; ++query) {
    for (std::int64_t key = 0; key < keys; ++key) buckets.push_back(bucket(key - query));
  }
  return table_(buckets).view({queries, keys, -1}).permute({2, 0, 1});  // [H, queries, keys]
}

const at::Tensor& RowBiases::of(std::size_t part) const {
  at::Tensor& made = made_[part];
  if (!made.defined()) {
    const Span& span = spans_[part];
    made = bias_->between(span.first, span.queries, span.keys);
  }
  return made;
}

const at::Tensor& RowBiases::by_distance_of(std::size_t part) const {
  at::Tensor& made = made_by_distance_[part];
  if (!made.defined()) {
    const Span& span = spans_[part];
    // The last query of as many more keys is at every distance that there is.
    made = bias_->between(span.first + span.queries - 1, 1, span.queries + span.keys - 1)
               .squeeze(1)
               .contiguous();
  }
  return made;
}

}  // namespace instructblip::nn
