// y = x W^T + b.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "config/language_config.h"
#include "nn/matrix.h"
#include "nn/normalization.h"
#include "nn/panel_product.h"
#include "nn/weights.h"

namespace instructblip::nn {

struct ProductWith;

class Linear {
 public:
  enum class Bias { none, present };

  // Reads `weight` [out, in] and, with Bias::present, `bias` [out].
  Linear(const Weights& weights, std::int64_t in, std::int64_t out, Bias bias = Bias::present);
  // From a weight that was read elsewhere; `bias` may be undefined.
  Linear(const Runtime& runtime, Matrix weight, at::Tensor bias = {});

  // The same with some rows of the weight alone: [..., in] -> [..., count].
  Linear some_rows(std::int64_t first, std::int64_t count) const;
  std::int64_t rows() const { return weight_.rows(); }

  // [..., in] -> [..., out] of the type that rows have, whatever the weight is held as.
  at::Tensor operator()(const Normed& x) const;
  // The same as float32 whatever rows are: logits.
  at::Tensor wide(const Normed& x) const;
  // The results of consecutive rows of the weight, [..., rows[i]] each: what several matrices that
  // were stacked give.
  std::vector<at::Tensor> split(const Normed& x, std::span<const std::int64_t> rows) const;
  // The result with a residual [..., out] added.
  Sum operator()(const Normed& x, const Sum& plus) const;

  // f(y), or, with `gated`, f(first half of y) times the second half, in the product. Undefined
  // where no kernel of this processor does it.
  at::Tensor activated(const Normed& x, Activation activation, bool gated) const;

  // The product as kernels of a device may take it; none: they do not.
  std::optional<ProductWith> on_device() const;

 private:
  at::Tensor times_packed(const Normed& x, BehindProduct behind) const;
  // The result of each block of the weight.
  std::vector<at::Tensor> by_block(const Normed& x) const;
  at::Tensor times(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) const;
  // By a kernel of the runtime's device; undefined where none takes it.
  at::Tensor by_kernel(const Normed& x, const Sum& plus, bool wide) const;

  const Runtime* runtime_;
  Matrix weight_;    // [out, in]
  at::Tensor bias_;  // [out] or undefined
};

// Rows of a weight that is stacked, and the layer that has them.
struct StackedRows {
  std::string_view name;
  std::int64_t rows;
};

// Layers that take the same input [..., in], as one: [..., in] -> [..., all rows].
Linear stacked(const Weights& weights, const std::vector<StackedRows>& layers, std::int64_t in,
               Linear::Bias bias, const Pairing& pairing = {});

inline Linear::Bias bias_if(bool present) {
  return present ? Linear::Bias::present : Linear::Bias::none;
}

}  // namespace instructblip::nn
