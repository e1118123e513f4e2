#include "nn/linear.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/mm.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <utility>

#include "nn/product.h"

namespace instructblip::nn {
namespace {

// Elements of a half-precision matrix that a thread widens at a time: 1 MiB of float32 stays in its
// second level cache between the widening and the product.
constexpr std::int64_t kTileElements = 1 << 18;

// The product with a matrix held as f16 or bf16. Widening a tile of rows just before it is used
// reads half the bytes of a float32 matrix and computes the same sums. Threads share out the tiles,
// so that they wait for each other once in a product.
at::Tensor linear_half(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  const std::int64_t in = weight.size(1);
  const std::int64_t out = weight.size(0);
  const at::Tensor rows = x.reshape({-1, in});                 // [M, in]
  at::Tensor y = at::empty({rows.size(0), out}, x.options());  // [M, out]
  const std::int64_t tile_rows = std::clamp<std::int64_t>(kTileElements / in, 1, out);
  const std::int64_t tiles = (out + tile_rows - 1) / tile_rows;
  at::parallel_for(0, tiles, 1, [&](std::int64_t first, std::int64_t last) {
    const c10::InferenceMode inference;  // not inherited from the calling thread
    const at::Tensor tile = at::empty({tile_rows, in}, at::dtype(at::kFloat));
    for (std::int64_t begin = first * tile_rows; begin < std::min(last * tile_rows, out);
         begin += tile_rows) {
      const std::int64_t count = std::min(tile_rows, out - begin);
      const at::Tensor wide = tile.narrow(0, 0, count);  // [count, in]
      wide.copy_(weight.narrow(0, begin, count));
      y.narrow(1, begin, count).copy_(at::mm(rows, wide.t()));
    }
  });
  if (bias.defined()) y.add_(bias);
  std::vector<std::int64_t> shape = x.sizes().vec();
  shape.back() = out;
  return y.view(shape);
}

}  // namespace

Linear::Linear(const Weights& weights, std::int64_t in, std::int64_t out, Bias bias)
    : runtime_(&weights.runtime()), weight_(weights.matrix("weight", {out, in})) {
  if (bias == Bias::present) bias_ = weights.vector("bias", {out});
}

Linear::Linear(const Runtime& runtime, Matrix weight, at::Tensor bias)
    : runtime_(&runtime), weight_(std::move(weight)), bias_(std::move(bias)) {}

Linear Linear::rows(std::int64_t first, std::int64_t count) const {
  return Linear(*runtime_, weight_.some_rows(first, count),
                bias_.defined() ? bias_.narrow(0, first, count) : bias_);
}

at::Tensor Linear::times(const at::Tensor& x, const at::Tensor& weight,
                         const at::Tensor& bias) const {
  if (uses_linear_kernel(*runtime_)) {
    const at::Tensor y = product(*runtime_, x, weight);
    return bias.defined() ? y + bias : y;
  }
  if (weight.scalar_type() != at::kFloat) return linear_half(x, weight, bias);
  return at::linear(x, weight, bias);
}

std::vector<at::Tensor> Linear::by_block(const at::Tensor& x) const {
  std::vector<at::Tensor> results;
  std::int64_t first = 0;
  for (const at::Tensor& block : weight_.blocks()) {
    const std::int64_t rows = block.size(0);
    results.push_back(times(x, block, bias_.defined() ? bias_.narrow(0, first, rows) : bias_));
    first += rows;
  }
  return results;
}

at::Tensor Linear::operator()(const at::Tensor& x) const {
  const std::vector<at::Tensor> results = by_block(x);
  return results.size() == 1 ? results.front() : at::cat(results, -1);
}

std::vector<at::Tensor> Linear::split(const at::Tensor& x,
                                      std::span<const std::int64_t> rows) const {
  std::vector<at::Tensor> results = by_block(x);
  if (std::ranges::equal(results, rows, {}, [](const at::Tensor& y) { return y.size(-1); })) {
    return results;
  }
  const at::Tensor all = results.size() == 1 ? results.front() : at::cat(results, -1);
  return all.split_with_sizes(at::IntArrayRef(rows.data(), rows.size()), -1);
}

at::Tensor Linear::operator()(const at::Tensor& x, const at::Tensor& plus) const {
  return plus + (*this)(x);
}

Linear stacked(const Weights& weights, const std::vector<StackedRows>& layers, std::int64_t in,
               Linear::Bias bias) {
  std::vector<std::string_view> names;
  std::vector<std::int64_t> rows;
  std::vector<at::Tensor> biases;
  for (const StackedRows& layer : layers) {
    names.push_back(layer.name);
    rows.push_back(layer.rows);
    if (bias == Linear::Bias::none) continue;
    biases.push_back((weights / layer.name).vector("bias", {layer.rows}));
  }
  return Linear(weights.runtime(), weights.stacked(names, rows, in),
                biases.empty() ? at::Tensor() : at::cat(biases));
}

}  // namespace instructblip::nn
