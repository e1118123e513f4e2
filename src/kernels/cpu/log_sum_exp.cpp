#include "kernels/cpu/log_sum_exp.h"

#include <cmath>

#include "kernels/cpu/sum_exp.h"

namespace instructblip::kernels::cpu {
namespace {

// Numbers below which another thread costs more than it saves.
constexpr std::int64_t kWorthAThread = 1 << 15;

// The product is exact in double: one rounding, but for about once in 2^28 times.
float multiply_add(float a, float b, float c) {
  return static_cast<float>(static_cast<double>(a) * static_cast<double>(b) +
                            static_cast<double>(c));
}

// log(x) for x >= 1, with the coefficients of SLEEF's logf_u10: x = m 2^e, m in [0.75, 1.5), and
// log m = 2 artanh((m - 1) / (m + 1)).
float log_of_sum(float x) {
  constexpr double kLog2 = 0.69314718246459960938 - 1.904654323148236017e-09;
  int e = 0;
  float m = 2.0f * std::frexp(x, &e);  // [1, 2)
  --e;
  if (m >= 1.5f) {
    m *= 0.5f;
    ++e;
  }
  const double ratio = (static_cast<double>(m) - 1.0) / (static_cast<double>(m) + 1.0);
  const auto r = static_cast<float>(ratio);
  const float square = r * r;
  float t = 0.3027294874f;
  t = multiply_add(t, square, 0.3996108174f);
  t = multiply_add(t, square, 0.6666694880f);
  const float cubic = (square * r) * t;
  return static_cast<float>((e * kLog2 + 2.0 * ratio) + static_cast<double>(cubic));
}

template <RunSumExp run_row>
void run(const LogSumExpProblem& p, const LogSumExpBuffers& b, Queue& queue) {
  queue.run(p.rows, grain_of(p.size, kWorthAThread), [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t row = first; row < last; ++row) {
      const SumExp found = run_row(b.x + row * p.size, p.size);
      b.max[row] = found.max;
      b.log_sum[row] = log_of_sum(found.sum);
    }
  });
}

}  // namespace

#if INSTRUCTBLIP_KERNELS_X86
void log_sum_exp_avx512(const LogSumExpProblem& problem, const LogSumExpBuffers& buffers,
                        Queue& queue) {
  run<sum_exp_avx512>(problem, buffers, queue);
}
void log_sum_exp_avx2(const LogSumExpProblem& problem, const LogSumExpBuffers& buffers,
                      Queue& queue) {
  run<sum_exp_avx2>(problem, buffers, queue);
}
#endif
void log_sum_exp_portable(const LogSumExpProblem& problem, const LogSumExpBuffers& buffers,
                          Queue& queue) {
  run<sum_exp_portable>(problem, buffers, queue);
}

}  // namespace instructblip::kernels::cpu
