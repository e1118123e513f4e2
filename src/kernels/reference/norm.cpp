#include "kernels/reference/norm.h"

#include <cmath>

namespace instructblip::kernels::reference {

void norm(const NormProblem& p, const NormBuffers& b, Queue& queue) {
  const auto width = static_cast<double>(p.width);
  queue.run(p.rows, 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t row = first; row < last; ++row) {
      const float* const x = b.x + row * p.width;
      double mean = 0.0, squares = 0.0;
      if (p.centred) {
        for (std::int64_t i = 0; i < p.width; ++i) mean += x[i] / width;
      }
      for (std::int64_t i = 0; i < p.width; ++i) squares += (x[i] - mean) * (x[i] - mean);
      const double scale = 1.0 / std::sqrt(squares / width + p.eps);
      float* const y = b.y + row * p.width;
      for (std::int64_t i = 0; i < p.width; ++i) {
        const double normal = (x[i] - mean) * scale * b.weight[i];
        y[i] = static_cast<float>(b.bias == nullptr ? normal : normal + b.bias[i]);
      }
    }
  });
}

}  // namespace instructblip::kernels::reference
