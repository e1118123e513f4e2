#include "projection/mlp_projection.h"

#include "nn/activation.h"

namespace instructblip {
namespace {

// A single layer may be stored without a name of its own.
bool is_bare(const nn::Weights& weights) {
  return weights.has("weight") && !(weights / "linear_1").has("weight");
}

bool has_two_layers(const nn::Weights& weights, const MlpProjectionConfig& config) {
  if (config.two_layers) return *config.two_layers;
  const bool first = is_bare(weights) || (weights / "linear_1").has("weight");
  // Where neither is there, both are missing.
  return !first || (weights / "linear_2").has("weight");
}

}  // namespace

MlpProjection::MlpProjection(const nn::Weights& weights, const MlpProjectionConfig& config,
                             const ProjectionWidths& widths)
    : first_(is_bare(weights) ? weights : weights / "linear_1", widths.from, widths.to,
             nn::bias_if(config.bias)),
      runtime_(&weights.runtime()),
      activation_(config.activation) {
  if (!has_two_layers(weights, config)) return;
  second_.emplace(weights / "linear_2", widths.to, widths.to, nn::bias_if(config.bias));
}

at::Tensor MlpProjection::forward(const at::Tensor& rows) const {
  const at::Tensor h = first_(rows);  // [B, Q, L]
  return second_ ? (*second_)(nn::activate(*runtime_, activation_, h)) : h;
}

}  // namespace instructblip
