// y = f(norm(x) w^T + bias) + residual for the rows of a few short sequences, such as those of a
// Q-Former, on a CUDA device: the contract of grouped_product.cu. Rows of two kinds, each with
// weights of its own, are multiplied in one launch.
#pragma once

#include <cstdint>

#include "kernels/cuda/attention.h"
#include "kernels/cuda/rows.h"

namespace instructblip::kernels::cuda {

struct GroupedProductProblem {
  Element element = Element::f16;
  std::int32_t inputs = 0;  // a multiple of 8; with a norm at most 1024
  std::int32_t outputs = 0;
  bool normalises = false;  // LayerNorm before the product, its result rounded to the element
  float eps = 0.0f;
  bool activates = false;
  Activation activation = Activation::gelu;
};

// All contiguous; x, weights and what has `inputs` elements are aligned to 16 bytes. Row i of the
// group is the row in_rows[i] of x and the row out_rows[i] of everything else; null: i itself.
struct ProductGroup {
  std::int32_t rows = 0;
  const void* x = nullptr;                 // [.., inputs]
  const void* weights = nullptr;           // [outputs, inputs], as in a checkpoint
  const void* bias = nullptr;              // [outputs], or null
  void* y = nullptr;                       // [.., outputs]; may be the residual
  const void* residual = nullptr;          // [.., outputs], or null
  const std::int32_t* in_rows = nullptr;   // [rows]
  const std::int32_t* out_rows = nullptr;  // [rows]
  const void* norm_weight = nullptr;       // [inputs], with a norm
  const void* norm_bias = nullptr;         // [inputs]
  void* normalised = nullptr;              // [.., inputs], where norm(x) goes; or null
};

// Why the kernel does not take such sizes; null: it does.
const char* grouped_product_refuses(const GroupedProductProblem& problem);

// As attend(). Either group may have no rows. Weights, those of a norm and its bias too, are read
// before the launch before has ended: it must not write them. A row has the same bits whatever is
// computed beside it.
[[nodiscard]] int multiply_groups(const GroupedProductProblem& problem, const ProductGroup& first,
                                  const ProductGroup& second, void* stream, bool overlaps_previous);

}  // namespace instructblip::kernels::cuda
