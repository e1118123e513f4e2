#include "nn/product.h"

#include <ATen/ops/matmul.h>

#include "kernels/linear.h"

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
  runtime.kernel(kernels::linear_kernels(), problem).run(problem, buffers, runtime.queue());
  return out;
}

}  // namespace

bool uses_linear_kernel(const Runtime& runtime) {
  return runtime.deterministic() || runtime.forces(kernels::LinearKernel::kOperation);
}

at::Tensor product(const Runtime& runtime, const at::Tensor& a, const at::Tensor& b) {
  return uses_linear_kernel(runtime) ? product_by_kernel(runtime, a, b)
                                     : at::matmul(a, b.transpose(-1, -2));
}

}  // namespace instructblip::nn
