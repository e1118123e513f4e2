#include "kernels/reference/linear.h"

#include "kernels/reference/half.h"

namespace instructblip::kernels::reference {
namespace {

double weight_at(const LinearProblem& problem, const void* weights, std::int64_t index) {
  switch (problem.weights) {
    case DType::f16:
      return from_f16(static_cast<const std::uint16_t*>(weights)[index]);
    case DType::bf16:
      return from_bf16(static_cast<const std::uint16_t*>(weights)[index]);
    default:
      return static_cast<const float*>(weights)[index];
  }
}

}  // namespace

void linear(const LinearProblem& problem, const LinearBuffers& buffers, Queue& queue) {
  const std::int64_t rows = problem.rows, inputs = problem.inputs, outputs = problem.outputs;
  queue.run(problem.batch * rows, 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t row = first; row < last; ++row) {
      const std::int64_t matrix = row / rows;
      for (std::int64_t output = 0; output < outputs; ++output) {
        double sum = 0.0;
        for (std::int64_t i = 0; i < inputs; ++i) {
          sum += static_cast<double>(buffers.x[row * inputs + i]) *
                 weight_at(problem, buffers.weights, (matrix * outputs + output) * inputs + i);
        }
        float y = static_cast<float>(sum);
        if (buffers.bias != nullptr) y += buffers.bias[output];
        buffers.y[row * outputs + output] = y;
      }
    }
  });
}

}  // namespace instructblip::kernels::reference
