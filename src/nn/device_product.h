// Products of few rows by kernels of a device, in half precision, with what stands before and
// behind them in the same launch. What returns undefined tensors has done nothing: the device has
// no kernel for it, and it is done by several operations.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>

#include "config/language_config.h"
#include "nn/normalization.h"
#include "nn/runtime.h"
#include "nn/tiled_matrix.h"

namespace instructblip::nn {

struct AttentionPlace;
struct Heads;

// Rows of a matrix of 8 or 4 bits.
struct TiledRows {
  const TiledMatrix* matrix = nullptr;
  std::int64_t first = 0, count = 0;
};

struct ProductWith {
  at::Tensor weight = {};  // [out, in], or undefined where there are
  TiledRows tiles = {};
  at::Tensor bias = {};     // [out], or undefined
  Sum plus = at::Tensor();  // [..., out], added, or undefined
  bool wide = false;        // the result is float32
  std::optional<Activation> activation = {};
  bool gated = false;  // f(x a^T) x b^T, where the rows of the weight are those of a, then of b
};
// f(norm(x) w^T + bias) + plus: x [..., in] -> [..., out].
at::Tensor product_on_device(const Runtime& runtime, const Normed& x, const ProductWith& with);

// Queries [N, H, d] of N rows of a step, turned; keys and values are in their pages then.
// weight [(H + 2 G) d, in]: rows of queries, of keys, of values.
Heads heads_on_device(const Normed& x, const ProductWith& with, const AttentionPlace& place);

}  // namespace instructblip::nn
