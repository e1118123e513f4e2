#include "nn/feed_forward.h"

#include <ATen/TensorOperators.h>

#include <array>
#include <vector>

#include "nn/activation.h"
#include "nn/device_product.h"
#include "nn/device_rows.h"

namespace instructblip::nn {
namespace {

Linear read_expand(const Weights& weights, const FeedForwardConfig& config) {
  std::vector<StackedRows> layers = {{config.expand, config.inner}};
  if (!config.times.empty()) layers.push_back({config.times, config.inner});
  const Pairing pairing{.kind = Pairing::Kind::gate};
  return stacked(weights, layers, config.width, config.bias, pairing);
}

}  // namespace

FeedForward::FeedForward(const Weights& weights, const FeedForwardConfig& config)
    : runtime_(&weights.runtime()),
      activation_(config.activation),
      expand_(read_expand(weights, config)),
      inner_(config.inner),
      gated_(!config.times.empty()),
      contract_(weights / config.contract, config.inner, config.width, config.bias) {}

at::Tensor FeedForward::inner(const Normed& x) const {
  if (auto product = expand_.on_device()) {
    product->activation = activation_;
    product->gated = gated_;
    const at::Tensor y = product_on_device(*runtime_, x, *product);
    if (y.defined()) return y;
  }
  if (const at::Tensor y = expand_.activated(x, activation_, gated_); y.defined()) return y;
  if (!gated_) return activate(*runtime_, activation_, expand_(x));
  if (runtime_->row_type() != at::kFloat) {
    const at::Tensor y = activated_on_device(*runtime_, activation_, expand_(x), /*gated=*/true);
    if (y.defined()) return y;
  }
  const std::vector<at::Tensor> each = expand_.split(x, std::array{inner_, inner_});
  return activate(*runtime_, activation_, each[0]) * each[1];
}

at::Tensor FeedForward::operator()(const Normed& x) const { return contract_(inner(x)); }

Sum FeedForward::operator()(const Normed& x, const Sum& plus) const {
  return contract_(inner(x), plus);
}

std::optional<ProductWith> FeedForward::expand_on_device() const {
  auto product = gated_ ? std::nullopt : expand_.on_device();
  if (product) product->activation = activation_;
  return product;
}

std::optional<ProductWith> FeedForward::contract_on_device() const {
  return gated_ ? std::nullopt : contract_.on_device();
}

}  // namespace instructblip::nn
