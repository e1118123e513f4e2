// Normalisations over the last dimension.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <utility>

#include "nn/sum.h"
#include "nn/weights.h"

namespace instructblip::nn {

class Norm;

// What kernels of products on the processor need of a norm, to do it while they read rows.
struct NormInProduct {
  const float* weight;  // [width]
  const float* bias;    // [width], or null
  float eps;
  bool centred;  // LayerNorm; false: RMSNorm
};

// Rows, and the norm that is still to be done to them, if there is one: the kernel of the product
// that the rows go into may do it.
class Normed {
 public:
  // As they are.
  Normed(at::Tensor rows) : rows_(std::move(rows)) {}  // NOLINT(google-explicit-constructor)
  Normed(Sum rows) : rows_(std::move(rows)) {}         // NOLINT(google-explicit-constructor)
  // `norm` is not kept for longer than this is used.
  Normed(Sum rows, const Norm& norm) : rows_(std::move(rows)), norm_(&norm) {}

  at::Tensor rows() const { return rows_.value(); }  // [..., width], before the norm
  at::Tensor like() const;                           // a tensor of their sizes and their type
  const Norm* norm() const { return norm_; }         // null: none
  at::Tensor value() const;                          // after it
  // The norm as kernels of products may do it, of rows(); none: value() is what they take.
  // `rounds`: see Norm::in_product().
  std::optional<NormInProduct> in_product(bool rounds) const;

 private:
  Sum rows_;
  const Norm* norm_ = nullptr;
};

struct NormWeights {
  at::Tensor weight, bias = {};  // [width] or undefined
  double eps;
  bool centred;  // false: RMSNorm
};

class Norm {
 public:
  // `factor` multiplies the result.
  Norm(const Runtime& runtime, NormWeights weights, double factor = 1.0);

  at::Tensor operator()(const Sum& x) const;  // [..., width] -> [..., width]
  Normed of(const Sum& x) const { return Normed(x, *this); }

  const NormWeights& weights() const { return weights_; }
  // For a product that reads rows of float32, and `rounds` them or not; none: it takes the result.
  // A LayerNorm of ours is off from LibTorch's, which is the reference's too, by its last bits,
  // which small activations make more of; rows that are rounded lose far more.
  std::optional<NormInProduct> in_product(bool rounds) const;

 private:
  const Runtime* runtime_;
  NormWeights weights_;
  double factor_;  // what the weights are not multiplied with already
};

// (x - mean) / sqrt(variance + eps) * weight + bias, with the biased variance.
class LayerNorm : public Norm {
 public:
  LayerNorm(const Weights& weights, std::int64_t width, double eps);
  // Without weight and bias.
  LayerNorm(const Runtime& runtime, double eps);
};

// A norm that a layer may have at this place or not: without one x -> x.
class OptionalNorm {
 public:
  OptionalNorm() = default;
  explicit OptionalNorm(Norm norm) : norm_(std::move(norm)) {}
  Sum operator()(const Sum& x) const { return norm_ ? Sum((*norm_)(x)) : x; }
  Normed of(const Sum& x) const { return norm_ ? norm_->of(x) : Normed(x); }

 private:
  std::optional<Norm> norm_;
};

// x / sqrt(mean(x^2) + eps) * weight: no mean is taken off, no bias added.
// Zhang and Sennrich, Root Mean Square Layer Normalization, 2019.
class RmsNorm : public Norm {
 public:
  RmsNorm(const Weights& weights, std::int64_t width, double eps, double factor = 1.0);
};

}  // namespace instructblip::nn
