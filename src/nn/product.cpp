#include "nn/product.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/mm.h>
#include <c10/core/InferenceMode.h>
#include <c10/util/Exception.h>

#include <algorithm>

#include "kernels/linear.h"
#include "nn/gradients.h"

namespace instructblip::nn {
namespace {

DType dtype_of(const at::Tensor& x) {
  if (x.scalar_type() == at::kHalf) return DType::f16;
  return x.scalar_type() == at::kBFloat16 ? DType::bf16 : DType::f32;
}

at::Tensor product_by_kernel(const Runtime& runtime, const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor left = a.contiguous();
  const at::Tensor right = b.contiguous();
  std::vector<std::int64_t> shape = a.sizes().vec();
  const std::int64_t inputs = shape.back();
  shape.back() = b.size(-2);
  const at::Tensor out = runtime.empty(shape, at::kFloat);
  std::int64_t batch = 1;
  for (const std::int64_t size : a.sizes().slice(0, static_cast<std::size_t>(a.dim() - 2))) {
    batch *= size;
  }
  TORCH_CHECK(
      right.dim() == 2 || a.sizes().slice(0, a.dim() - 2) == b.sizes().slice(0, b.dim() - 2),
      "product of ", a.sizes(), " and ", b.sizes());
  const bool shared = right.dim() == 2;  // one b for all of a: a is one tall matrix
  const kernels::LinearProblem problem{.batch = shared ? 1 : batch,
                                       .rows = a.size(-2) * (shared ? batch : 1),
                                       .inputs = inputs,
                                       .outputs = shape.back(),
                                       .weights = dtype_of(right)};
  const kernels::LinearBuffers buffers{.x = left.const_data_ptr<float>(),
                                       .weights = right.const_data_ptr(),
                                       .bias = nullptr,
                                       .y = out.mutable_data_ptr<float>()};
  runtime.kernel(runtime.tables().linear, problem).run(problem, buffers, runtime.queue());
  return out;
}

// Elements of a half-precision matrix that a thread widens at a time: 1 MiB of float32 stays in its
// second level cache between the widening and the product.
constexpr std::int64_t kTileElements = 1 << 18;

// The product with a matrix [N, K] held as f16 or bf16. Widening a tile of rows just before it is
// used reads half the bytes of a float32 matrix and computes the same sums. Threads share out the
// tiles, so that they wait for each other once in a product.
at::Tensor widened_product(const at::Tensor& x, const at::Tensor& weight) {
  const std::int64_t in = weight.size(1);
  const std::int64_t out = weight.size(0);
  const at::Tensor rows = x.reshape({-1, in});                 // [M, in]
  at::Tensor y = at::empty({rows.size(0), out}, x.options());  // [M, out]
  const std::int64_t tile_rows = std::clamp<std::int64_t>(kTileElements / in, 1, out);
  const std::int64_t tiles = (out + tile_rows - 1) / tile_rows;
  at::parallel_for(0, tiles, 1, [&](std::int64_t first, std::int64_t last) {
    const c10::InferenceMode inference;  // not inherited from the calling thread
    const at::Tensor tile = at::empty({tile_rows, in}, host(at::kFloat));
    for (std::int64_t begin = first * tile_rows; begin < std::min(last * tile_rows, out);
         begin += tile_rows) {
      const std::int64_t count = std::min(tile_rows, out - begin);
      const at::Tensor wide = tile.narrow(0, 0, count);  // [count, in]
      wide.copy_(weight.narrow(0, begin, count));
      y.narrow(1, begin, count).copy_(at::mm(rows, wide.t()));
    }
  });
  std::vector<std::int64_t> shape = x.sizes().vec();
  shape.back() = out;
  return y.view(shape);
}

}  // namespace

bool has_few_rows(const Runtime& runtime, const at::Tensor& x, const at::Tensor& weight) {
  if (runtime.tables().linear.empty()) return false;
  const kernels::LinearProblem problem{
      .rows = x.numel() / x.size(-1), .inputs = x.size(-1), .outputs = weight.size(-2)};
  return problem.rows <= runtime.kernel(runtime.tables().linear, problem).few_rows;
}

bool uses_linear_kernel(const Runtime& runtime) {
  if (runtime.tables().linear.empty()) return false;
  return runtime.deterministic() || runtime.forces(runtime.tables().linear);
}

at::Tensor product_of_few_rows(const Runtime& runtime, const at::Tensor& a, const at::Tensor& b) {
  if (runtime.numerics() != Numerics::fast) return {};
  if (a.scalar_type() != at::kFloat || b.scalar_type() != at::kFloat || is_watched()) return {};
  if (!has_few_rows(runtime, a, b)) return {};
  return product_by_kernel(runtime, a, b);
}

at::Tensor product(const Runtime& runtime, const at::Tensor& a, const at::Tensor& b) {
  if (is_watched()) return at::matmul(a, b.to(a.scalar_type()).transpose(-1, -2));
  if (uses_linear_kernel(runtime)) return product_by_kernel(runtime, a, b);
  if (b.scalar_type() == a.scalar_type()) return at::matmul(a, b.transpose(-1, -2));
  if (runtime.device().is_cpu()) return widened_product(a, b);
  return at::matmul(a, b.to(a.scalar_type()).transpose(-1, -2));
}

}  // namespace instructblip::nn
