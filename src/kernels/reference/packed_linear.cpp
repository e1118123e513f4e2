#include "kernels/reference/packed_linear.h"

#include <vector>

namespace instructblip::kernels::reference {

void packed_linear(const PackedLinearProblem& p, const PackedLinearBuffers& b, Queue& queue) {
  const std::size_t panel = bytes_of_panel(p.weights, p.inputs);
  queue.run(p.outputs, 1, [&](std::int64_t first, std::int64_t last) {
    std::vector<float> weights(static_cast<std::size_t>(p.inputs));
    for (std::int64_t output = first; output < last; ++output) {
      unpack_row(p.weights, b.weights + static_cast<std::size_t>(output / kRowsOfPanel) * panel,
                 output % kRowsOfPanel, p.inputs, weights.data());
      for (std::int64_t row = 0; row < p.rows; ++row) {
        double sum = 0.0;
        for (std::int64_t i = 0; i < p.inputs; ++i) {
          sum +=
              static_cast<double>(b.x[row * p.inputs + i]) * weights[static_cast<std::size_t>(i)];
        }
        float y = static_cast<float>(sum);
        if (b.bias != nullptr) y += b.bias[output];
        if (b.plus != nullptr) y += b.plus[row * p.outputs + output];
        b.y[row * p.outputs + output] = y;
      }
    }
  });
}

}  // namespace instructblip::kernels::reference
