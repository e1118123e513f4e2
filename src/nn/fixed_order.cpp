#include "nn/fixed_order.h"

#include <ATen/ops/empty.h>

#include <vector>

#include "kernels/linear.h"
#include "nn/torch_threads.h"

namespace instructblip::nn {
namespace {

DType dtype_of(const at::Tensor& x) {
  if (x.scalar_type() == at::kHalf) return DType::f16;
  return x.scalar_type() == at::kBFloat16 ? DType::bf16 : DType::f32;
}

}  // namespace

at::Tensor fixed_order_product(const at::Tensor& a, const at::Tensor& b) {
  const std::int64_t m = a.size(-2), k = a.size(-1), n = b.size(-2);
  const at::Tensor left = a.contiguous();
  const at::Tensor right = b.contiguous();
  std::vector<std::int64_t> shape = a.sizes().vec();
  shape.back() = n;
  const at::Tensor out = at::empty(shape, a.options());
  std::int64_t batch = 1;
  for (const std::int64_t size : a.sizes().slice(0, static_cast<std::size_t>(a.dim() - 2))) {
    batch *= size;
  }
  const bool shared = right.dim() == 2;  // one b for all of a: a is one tall matrix
  const kernels::LinearProblem problem{.batch = shared ? 1 : batch,
                                       .rows = shared ? batch * m : m,
                                       .inputs = k,
                                       .outputs = n,
                                       .weights = dtype_of(right)};
  const kernels::LinearBuffers buffers{.x = left.const_data_ptr<float>(),
                                       .weights = right.const_data_ptr(),
                                       .bias = nullptr,
                                       .y = out.mutable_data_ptr<float>()};
  TorchThreads threads;
  kernels::choose(kernels::linear_kernels(), problem, {.row_invariant = true})
      ->run(problem, buffers, threads);
  return out;
}

}  // namespace instructblip::nn
