#include "nn/linear.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/linear.h>

#include <algorithm>
#include <utility>

#include "nn/device_product.h"
#include "nn/panel_product.h"
#include "nn/product.h"

namespace instructblip::nn {
namespace {

kernels::Activation activation_of_kernels(Activation activation) {
  switch (activation) {
    case Activation::gelu:
      return kernels::Activation::gelu;
    case Activation::gelu_new:
      return kernels::Activation::gelu_new;
    case Activation::linear:
      break;
    case Activation::quick_gelu:
      return kernels::Activation::quick_gelu;
    case Activation::relu:
      return kernels::Activation::relu;
    case Activation::silu:
      return kernels::Activation::silu;
  }
  return kernels::Activation::none;
}

}  // namespace

Linear::Linear(const Weights& weights, std::int64_t in, std::int64_t out, Bias bias)
    : runtime_(&weights.runtime()), weight_(weights.matrix("weight", {out, in})) {
  if (bias == Bias::present) bias_ = weights.vector("bias", {out});
}

Linear::Linear(const Runtime& runtime, Matrix weight, at::Tensor bias)
    : runtime_(&runtime), weight_(std::move(weight)), bias_(std::move(bias)) {}

Linear Linear::some_rows(std::int64_t first, std::int64_t count) const {
  return Linear(*runtime_, weight_.some_rows(first, count),
                bias_.defined() ? bias_.narrow(0, first, count) : bias_);
}

at::Tensor Linear::times(const at::Tensor& x, const at::Tensor& weight,
                         const at::Tensor& bias) const {
  if (const at::Tensor y = product_of_few_rows(*runtime_, x, weight); y.defined()) {
    return bias.defined() ? y + bias : y;
  }
  if (const auto rows = panels_in_rows(*runtime_, x, weight)) {
    return product_with_panels(*runtime_, x, *rows, {.bias = bias});
  }
  // With a bias of float32 ATen's linear() adds in the product, as the reference does.
  if (weight.scalar_type() == x.scalar_type() && !uses_linear_kernel(*runtime_)) {
    return at::linear(x, weight, bias);
  }
  const at::Tensor y = product(*runtime_, x, weight);
  return bias.defined() ? y + bias : y;
}

at::Tensor Linear::times_packed(const Normed& x, BehindProduct behind) const {
  const PackedMatrix& packed = *weight_.packed();
  // Products begin with a panel; the rows before the first one wanted are cut off.
  const std::int64_t skipped = weight_.first_packed_row() % kernels::kRowsOfPanel;
  const MatrixPanels matrix{.format = packed.format(),
                            .rows = skipped + weight_.rows(),
                            .columns = packed.columns(),
                            .at = packed.panel_of(weight_.first_packed_row())};
  if (skipped == 0) {
    behind.bias = bias_;
    return product_with_panels(*runtime_, x, matrix, behind);
  }
  const at::Tensor plus = std::exchange(behind.plus, at::Tensor());
  at::Tensor y =
      product_with_panels(*runtime_, x, matrix, behind).narrow(-1, skipped, weight_.rows());
  if (bias_.defined()) y = y + bias_;
  return plus.defined() ? plus + y : y;
}

at::Tensor Linear::activated(const Normed& normed, Activation activation, bool gated) const {
  const kernels::Activation f = activation_of_kernels(activation);
  if (weight_.packed() != nullptr) {
    // Halves are whole panels, the first of which is the matrix's first row.
    const std::int64_t half = gated ? weight_.rows() / 2 : 0;
    if (weight_.first_packed_row() % kernels::kRowsOfPanel != 0) return {};
    if (half % kernels::kRowsOfPanel != 0) return {};
    return times_packed(normed, {.activation = f, .gated = gated});
  }
  const std::span<const at::Tensor> blocks = weight_.blocks();
  if (runtime_->row_type() != at::kFloat || blocks.size() != (gated ? 2U : 1U)) return {};
  const at::Tensor like = normed.like();  // the norm itself is for whoever multiplies
  const auto gate = panels_in_rows(*runtime_, like, blocks.front());
  const auto times = panels_in_rows(*runtime_, like, blocks.back());
  if (!gate || !times || times->rows != gate->rows) return {};
  if (!gated) {
    return product_with_panels(*runtime_, normed, *gate, {.bias = bias_, .activation = f});
  }
  const at::Tensor x = normed.value();  // both products read it
  const auto bias_of = [&](std::int64_t half) {
    return bias_.defined() ? bias_.narrow(0, half * gate->rows, gate->rows) : bias_;
  };
  return product_with_panels(*runtime_, x, *gate, {.bias = bias_of(0), .activation = f})
      .mul_(product_with_panels(*runtime_, x, *times, {.bias = bias_of(1)}));
}

std::optional<ProductWith> Linear::on_device() const {
  if (runtime_->row_type() == at::kFloat) return std::nullopt;
  if (const TiledMatrix* const tiles = weight_.tiled()) {
    const std::int64_t first = weight_.first_packed_row();
    if (!tiles->has_tiles_of(first, weight_.rows())) return std::nullopt;
    return ProductWith{.tiles = {tiles, first, weight_.rows()}, .bias = bias_};
  }
  if (weight_.blocks().size() != 1) return std::nullopt;
  return ProductWith{.weight = weight_.blocks().front(), .bias = bias_};
}

at::Tensor Linear::by_kernel(const Normed& x, const Sum& plus, bool wide) const {
  auto with = on_device();
  if (!with) return {};
  with->plus = plus;
  with->wide = wide;
  return product_on_device(*runtime_, x, *with);
}

std::vector<at::Tensor> Linear::by_block(const Normed& normed) const {
  if (const at::Tensor y = by_kernel(normed, at::Tensor(), false); y.defined()) return {y};
  if (weight_.packed() != nullptr) return {times_packed(normed, {})};
  const at::Tensor x = normed.value();
  if (weight_.tiled() != nullptr) {
    return {times(x, weight_.tiled_values(x.scalar_type()), bias_)};
  }
  std::vector<at::Tensor> results;
  std::int64_t first = 0;
  for (const at::Tensor& block : weight_.blocks()) {
    const std::int64_t rows = block.size(0);
    results.push_back(times(x, block, bias_.defined() ? bias_.narrow(0, first, rows) : bias_));
    first += rows;
  }
  return results;
}

at::Tensor Linear::operator()(const Normed& x) const {
  const std::vector<at::Tensor> results = by_block(x);
  return results.size() == 1 ? results.front() : at::cat(results, -1);
}

at::Tensor Linear::wide(const Normed& x) const {
  if (runtime_->row_type() == at::kFloat) return (*this)(x);
  at::Tensor y = by_kernel(x, at::Tensor(), true);
  if (y.defined()) return y;
  // A library's product of half precision would round what it returns.
  return at::linear(x.value().to(at::kFloat), weight_.values(),
                    bias_.defined() ? bias_.to(at::kFloat) : bias_);
}

std::vector<at::Tensor> Linear::split(const Normed& x, std::span<const std::int64_t> rows) const {
  std::vector<at::Tensor> results = by_block(x);
  if (std::ranges::equal(results, rows, {}, [](const at::Tensor& y) { return y.size(-1); })) {
    return results;
  }
  const at::Tensor all = results.size() == 1 ? results.front() : at::cat(results, -1);
  return all.split_with_sizes(at::IntArrayRef(rows.data(), rows.size()), -1);
}

Sum Linear::operator()(const Normed& x, const Sum& plus) const {
  if (weight_.packed() != nullptr) return times_packed(x, {.plus = plus});
  if (runtime_->row_type() == at::kFloat) {
    if (weight_.blocks().size() != 1) return plus.value() + (*this)(x);
    const auto matrix = panels_in_rows(*runtime_, x.like(), weight_.blocks().front());
    if (!matrix) return plus.value() + (*this)(x);
    return product_with_panels(*runtime_, x, *matrix, {.bias = bias_, .plus = plus.value()});
  }
  const at::Tensor y = by_kernel(x, plus, false);
  if (y.defined()) return y;
  const at::Tensor rows = (*this)(x);  // whose norm may have made the residual
  return Sum::later(rows, plus.value());
}

Linear stacked(const Weights& weights, const std::vector<StackedRows>& layers, std::int64_t in,
               Linear::Bias bias, const Pairing& pairing) {
  std::vector<std::string_view> names;
  std::vector<std::int64_t> rows;
  std::vector<at::Tensor> biases;
  for (const StackedRows& layer : layers) {
    names.push_back(layer.name);
    rows.push_back(layer.rows);
    if (bias == Linear::Bias::none) continue;
    biases.push_back((weights / layer.name).vector("bias", {layer.rows}));
  }
  return Linear(weights.runtime(), weights.stacked(names, rows, in, pairing),
                biases.empty() ? at::Tensor() : at::cat(biases));
}

}  // namespace instructblip::nn
