// y = x W^T + b.
#pragma once

#include <ATen/core/Tensor.h>

#include "nn/weights.h"

namespace instructblip::nn {

class Linear {
 public:
  enum class Bias { none, present };

  // Reads `weight` [out, in] and, with Bias::present, `bias` [out].
  Linear(const Weights& weights, std::int64_t in, std::int64_t out, Bias bias = Bias::present);
  // Of tensors that were put together elsewhere; `bias` may be undefined.
  Linear(at::Tensor weight, at::Tensor bias);

  // The same with the first rows of the weight alone: [..., in] -> [..., rows].
  Linear first_rows(std::int64_t rows) const;
  std::int64_t rows() const { return weight_.size(0); }

  // [..., in] float32 -> [..., out] float32, whatever the weight is held as.
  at::Tensor operator()(const at::Tensor& x) const;

 private:
  at::Tensor weight_;  // [out, in]
  at::Tensor bias_;    // [out] or undefined
};

}  // namespace instructblip::nn
