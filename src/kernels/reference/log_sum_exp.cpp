#include "kernels/reference/log_sum_exp.h"

#include <algorithm>
#include <cmath>

namespace instructblip::kernels::reference {

void log_sum_exp(const LogSumExpProblem& p, const LogSumExpBuffers& b, Queue& queue) {
  queue.run(p.rows, 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t row = first; row < last; ++row) {
      const float* x = b.x + row * p.size;
      const float max = *std::max_element(x, x + p.size);
      double sum = 0.0;
      for (std::int64_t i = 0; i < p.size; ++i) sum += std::exp(static_cast<double>(x[i]) - max);
      b.max[row] = max;
      b.log_sum[row] = static_cast<float>(std::log(sum));
    }
  });
}

}  // namespace instructblip::kernels::reference
