#include "kernels/cpu/rms_norm.h"

#include <algorithm>

#include "kernels/cpu/rms_norm_rows.h"

namespace instructblip::kernels::cpu {
namespace {

// Numbers below which another thread costs more than it saves.
constexpr std::int64_t kWorthAThread = 1 << 15;

void run(const RmsNormProblem& p, const RmsNormBuffers& b, const RmsNormRow& kernel, Queue& queue) {
  queue.run(p.rows, std::max<std::int64_t>(1, kWorthAThread / p.width),
            [&](std::int64_t first, std::int64_t last) {
              for (std::int64_t row = first; row < last; ++row) {
                const float* const x = b.x + row * p.width;
                const float scale = rms_scale(kernel.sum_of_squares(x, p.width), p.width, p.eps);
                kernel.scale(x, scale, b.weight, p.width, b.y + row * p.width);
              }
            });
}

}  // namespace

#if INSTRUCTBLIP_KERNELS_X86
void rms_norm_avx512(const RmsNormProblem& problem, const RmsNormBuffers& buffers, Queue& queue) {
  run(problem, buffers, rms_norm_row_avx512(), queue);
}
void rms_norm_avx2(const RmsNormProblem& problem, const RmsNormBuffers& buffers, Queue& queue) {
  run(problem, buffers, rms_norm_row_avx2(), queue);
}
#endif
void rms_norm_portable(const RmsNormProblem& problem, const RmsNormBuffers& buffers, Queue& queue) {
  run(problem, buffers, rms_norm_row_portable(), queue);
}

}  // namespace instructblip::kernels::cpu
