#include "nn/panel_product.h"

#include <c10/util/Exception.h>
#include <c10/util/accumulate.h>

#include <optional>
#include <vector>

#include "kernels/packed_linear.h"
#include "nn/gradients.h"
#include "nn/product.h"

namespace instructblip::nn {
namespace {

kernels::PackedLinearProblem problem_of(const Runtime& runtime, const at::Tensor& x,
                                        const MatrixPanels& matrix) {
  return {.rows = x.numel() / x.size(-1),
          .inputs = x.size(-1),
          .outputs = matrix.rows,
          .weights = matrix.format,
          .may_round = runtime.rounds_rows(),
          .in_rows = matrix.in_rows};
}

}  // namespace

std::optional<MatrixPanels> panels_in_rows(const Runtime& runtime, const at::Tensor& x,
                                           const at::Tensor& matrix) {
  if (runtime.numerics() != Numerics::fast || runtime.tables().packed_linear.empty()) return {};
  if (x.scalar_type() != at::kFloat || matrix.scalar_type() != at::kFloat) return {};
  if (uses_linear_kernel(runtime) || is_watched() || !matrix.is_contiguous()) return {};
  if (x.numel() == 0 || has_few_rows(runtime, x, matrix)) return {};
  const MatrixPanels panels{.in_rows = true,
                            .rows = matrix.size(0),
                            .columns = matrix.size(1),
                            .at = static_cast<const std::byte*>(matrix.const_data_ptr())};
  if (!runtime.has_kernel(runtime.tables().packed_linear, problem_of(runtime, x, panels)))
    return {};
  return panels;
}

at::Tensor product_with_panels(const Runtime& runtime, const Normed& normed,
                               const MatrixPanels& matrix, const BehindProduct& behind) {
  kernels::PackedLinearProblem problem = problem_of(runtime, normed.like(), matrix);
  problem.activation = behind.activation;
  problem.gated = behind.gated;
  const kernels::PackedLinearKernel& kernel =
      runtime.kernel(runtime.tables().packed_linear, problem);
  const bool rounds = kernel.multiplied.with(matrix.format) != kernels::Number::f32;
  const std::optional<NormInProduct> norm = normed.in_product(rounds);
  const at::Tensor x = norm ? normed.rows() : normed.value();
  const at::Tensor input = x.contiguous();
  if (norm) {
    problem.eps = norm->eps;
    problem.centred = norm->centred;
  }
  TORCH_CHECK(problem.inputs == matrix.columns, "product of ", x.sizes(), " and [", matrix.rows,
              ", ", matrix.columns, "]");
  std::vector<std::int64_t> shape = x.sizes().vec();
  shape.back() = problem.results();
  const at::Tensor y = runtime.empty(shape, at::kFloat);
  const bool added = behind.plus.defined() && behind.plus.sizes() == y.sizes();
  const at::Tensor plus = added ? behind.plus.contiguous() : at::Tensor();
  const auto data = [](const at::Tensor& t) {
    return t.defined() ? t.const_data_ptr<float>() : nullptr;
  };
  const kernels::PackedLinearBuffers buffers{.x = data(input),
                                             .weights = matrix.at,
                                             .bias = data(behind.bias),
                                             .plus = data(plus),
                                             .y = y.mutable_data_ptr<float>(),
                                             .norm = norm ? norm->weight : nullptr,
                                             .norm_bias = norm ? norm->bias : nullptr};
  kernel.run(problem, buffers, runtime.queue());
  return behind.plus.defined() && !added ? behind.plus + y : y;
}

}  // namespace instructblip::nn
