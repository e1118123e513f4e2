#include "nn/gradients.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/clamp_min.h>
#include <ATen/ops/clone.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/mean.h>
#include <ATen/ops/mul.h>
#include <torch/csrc/autograd/autograd.h>

#include <map>
#include <optional>
#include <utility>

namespace instructblip::nn {
namespace {

using Caches = std::map<std::pair<const KvCache*, std::int64_t>, WatchedKeys>;

thread_local std::optional<Caches> watched_caches;  // while somebody watches

}  // namespace

Watching::Watching() : off_(/*enabled=*/false) { watched_caches.emplace(); }
Watching::~Watching() { watched_caches.reset(); }

bool is_watched() { return watched_caches.has_value(); }

void watch(const KvCache& cache, std::int64_t layer, const at::Tensor& keys,
           const at::Tensor& values) {
  const auto [all, is_new] =
      watched_caches->try_emplace({&cache, layer}, WatchedKeys{keys, values});
  if (is_new) return;
  all->second = {at::cat({all->second.keys, keys}), at::cat({all->second.values, values})};
}

WatchedKeys watched(const KvCache& cache, std::int64_t layer) {
  return watched_caches->at({&cache, layer});
}

at::Tensor watchable(const at::Tensor& tensor) {
  at::Tensor copy = tensor.detach().clone();
  copy.set_requires_grad(true);
  return copy;
}

std::vector<at::Tensor> gradcam(const at::Tensor& logits, std::int64_t token,
                                std::span<const at::Tensor> attention) {
  const at::Tensor value = at::log_softmax(logits[0], -1)[token];
  const std::vector<at::Tensor> slopes =
      torch::autograd::grad({value}, {attention.begin(), attention.end()}, /*grad_outputs=*/{},
                            /*retain_graph=*/true);
  std::vector<at::Tensor> maps;
  for (std::size_t i = 0; i < slopes.size(); ++i) {
    const at::Tensor product = at::clamp_min(attention[i].detach() * slopes[i], 0);
    maps.push_back(at::mean(product[0], 0));
  }
  return maps;
}

}  // namespace instructblip::nn
