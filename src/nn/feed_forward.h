// The feed-forward half of a transformer layer.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <string>

#include "config/language_config.h"
#include "nn/linear.h"
#include "nn/weights.h"

namespace instructblip::nn {

struct FeedForwardConfig {
  // Names of the layers below the weights. With `times` the activated rows are multiplied with
  // another product of the input: Shazeer, GLU Variants Improve Transformer, 2020.
  std::string expand, contract, times = {};
  std::int64_t width, inner;
  Activation activation;
  Linear::Bias bias = Linear::Bias::present;
};

// contract(act(expand(x)) * times(x)), or contract(act(expand(x))).
class FeedForward {
 public:
  FeedForward(const Weights& weights, const FeedForwardConfig& config);

  at::Tensor operator()(const Normed& x) const;  // [..., width] -> [..., width]
  // The result with a residual [..., width] added.
  Sum operator()(const Normed& x, const Sum& plus) const;

  // Its products as kernels of a device may take them, the first of them activated; none: they do
  // not, or it is gated.
  std::optional<ProductWith> expand_on_device() const;
  std::optional<ProductWith> contract_on_device() const;

 private:
  at::Tensor inner(const Normed& x) const;  // [..., width] -> [..., inner]

  const Runtime* runtime_;
  Activation activation_;
  Linear expand_;  // stacked: the rows of `expand`, then those of `times`
  std::int64_t inner_;
  bool gated_;
  Linear contract_;
};

}  // namespace instructblip::nn
