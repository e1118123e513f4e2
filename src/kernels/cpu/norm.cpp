#include "kernels/cpu/norm.h"

#include "kernels/cpu/norm_rows.h"

namespace instructblip::kernels::cpu {
namespace {

// Numbers below which another thread costs more than it saves.
constexpr std::int64_t kWorthAThread = 1 << 15;

void run(const NormProblem& p, const NormBuffers& b, const NormRow& kernel, Queue& queue) {
  queue.run(p.rows, grain_of(p.width, kWorthAThread), [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t row = first; row < last; ++row) {
      const float* const x = b.x + row * p.width;
      kernel.normalise(x, normaliser_of(kernel, x, p), b.weight, b.bias, p.width,
                       b.y + row * p.width);
    }
  });
}

}  // namespace

#if INSTRUCTBLIP_KERNELS_X86
void norm_avx512(const NormProblem& problem, const NormBuffers& buffers, Queue& queue) {
  run(problem, buffers, norm_row_avx512(), queue);
}
void norm_avx2(const NormProblem& problem, const NormBuffers& buffers, Queue& queue) {
  run(problem, buffers, norm_row_avx2(), queue);
}
#endif
void norm_portable(const NormProblem& problem, const NormBuffers& buffers, Queue& queue) {
  run(problem, buffers, norm_row_portable(), queue);
}

}  // namespace instructblip::kernels::cpu
