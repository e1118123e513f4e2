// Normalisations over the last dimension.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <utility>

#include "nn/weights.h"

namespace instructblip::nn {

// (x - mean) / sqrt(variance + eps) * weight + bias, with the biased variance.
class LayerNorm {
 public:
  LayerNorm(const Weights& weights, std::int64_t width, double eps);
  // Without weight and bias.
  LayerNorm(const Runtime& runtime, double eps) : runtime_(&runtime), eps_(eps) {}
  at::Tensor operator()(const at::Tensor& x) const;

 private:
  const Runtime* runtime_;
  at::Tensor weight_, bias_;  // [width] or undefined
  double eps_;
};

// A norm that a layer may have at this place or not: without one x -> x.
class OptionalNorm {
 public:
  OptionalNorm() = default;
  explicit OptionalNorm(LayerNorm norm) : norm_(std::move(norm)) {}
  at::Tensor operator()(const at::Tensor& x) const { return norm_ ? (*norm_)(x) : x; }

 private:
  std::optional<LayerNorm> norm_;
};

// x / sqrt(mean(x^2) + eps) * weight: no mean is taken off, no bias added.
// Zhang and Sennrich, Root Mean Square Layer Normalization, 2019.
class RmsNorm {
 public:
  RmsNorm(const Weights& weights, std::int64_t width, double eps);
  at::Tensor operator()(const at::Tensor& x) const;

 private:
  const Runtime* runtime_;
  at::Tensor weight_;  // [width]
  double eps_;
};

}  // namespace instructblip::nn
