#include "nn/relative_bias.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/abs.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/clamp_max.h>
#include <ATen/ops/clamp_min.h>
#include <ATen/ops/log.h>
#include <ATen/ops/neg.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>

#include <cmath>

namespace instructblip::nn {

RelativeBias::RelativeBias(const Weights& weights, const RelativeBiasConfig& config)
    : table_(weights / "relative_attention_bias", config.buckets, config.heads),
      buckets_(config.buckets),
      max_distance_(config.max_distance),
      direction_(config.direction) {}

// Half of the buckets hold one distance each, the other half grow logarithmically up to
// max_distance. In the reference's order of operations, because distances on a border between
// buckets depend on it.
at::Tensor RelativeBias::bucket(const at::Tensor& relative) const {
  std::int64_t count = buckets_;
  at::Tensor base = at::zeros_like(relative);
  at::Tensor distance;
  if (direction_ == RelativeBiasConfig::Direction::both) {
    count /= 2;
    base = (relative > 0).to(at::kLong) * count;
    distance = at::abs(relative);
  } else {
    distance = at::neg(at::clamp_max(relative, 0));
  }
  const std::int64_t exact = count / 2;
  const double range = std::log(static_cast<double>(max_distance_) / static_cast<double>(exact));
  const at::Tensor logarithmic =
      exact + (at::log(distance.to(at::kFloat) / exact) / range * (count - exact)).to(at::kLong);
  return base + at::where(distance < exact, distance, at::clamp_max(logarithmic, count - 1));
}

at::Tensor RelativeBias::between(std::int64_t first, std::int64_t queries,
                                 std::int64_t keys) const {
  const at::Tensor query = at::arange(first, first + queries, at::dtype(at::kLong)).unsqueeze(1);
  const at::Tensor key = at::arange(keys, at::dtype(at::kLong)).unsqueeze(0);
  const at::Tensor buckets = bucket(key - query);  // [queries, keys]
  const at::Tensor flat = buckets.reshape({-1}).to(at::kInt).contiguous();
  return table_({flat.const_data_ptr<std::int32_t>(), static_cast<std::size_t>(flat.numel())})
      .view({queries, keys, -1})
      .permute({2, 0, 1});  // [H, queries, keys]
}

}  // namespace instructblip::nn
