#include "kernels/reference/rms_norm.h"

#include <cmath>

namespace instructblip::kernels::reference {

void rms_norm(const RmsNormProblem& p, const RmsNormBuffers& b, Queue& queue) {
  queue.run(p.rows, 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t row = first; row < last; ++row) {
      const float* const x = b.x + row * p.width;
      double sum = 0.0;
      for (std::int64_t i = 0; i < p.width; ++i) sum += static_cast<double>(x[i]) * x[i];
      const double scale = 1.0 / std::sqrt(sum / static_cast<double>(p.width) + p.eps);
      float* const y = b.y + row * p.width;
      for (std::int64_t i = 0; i < p.width; ++i) {
        y[i] = static_cast<float>(x[i] * scale * b.weight[i]);
      }
    }
  });
}

}  // namespace instructblip::kernels::reference
