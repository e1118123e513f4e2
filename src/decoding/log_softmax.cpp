#include "decoding/log_softmax.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "decoding/top_k.h"

#if defined(__GNUC__)
#define INSTRUCTBLIP_INLINE inline __attribute__((always_inline))
#else
#define INSTRUCTBLIP_INLINE inline
#endif

namespace instructblip {
namespace {

// a * b + c in one instruction; only for code compiled for a processor that has it.
struct FusedMultiplyAdd {
  static INSTRUCTBLIP_INLINE float run(float a, float b, float c) { return std::fma(a, b, c); }
};

// The same without the instruction: the product is exact in double. The second rounding differs
// from the fused one about once in 2^28 times.
struct WideMultiplyAdd {
  static INSTRUCTBLIP_INLINE float run(float a, float b, float c) {
    return static_cast<float>(static_cast<double>(a) * static_cast<double>(b) +
                              static_cast<double>(c));
  }
};

// Powers of two whose exponent may be out of a float's range are applied in two halves.
INSTRUCTBLIP_INLINE float power_of_two(std::int32_t exponent) {
  return std::bit_cast<float>((exponent + 127) << 23);
}

constexpr float kUnderflow = -104.0f;  // exp() is 0 in float from here on

// exp(x) for kUnderflow <= x <= 0: x = q ln 2 + s, then a polynomial in s (coefficients of SLEEF's
// expf_u10). No branch, so that a loop over it becomes vector code.
template <class MultiplyAdd>
INSTRUCTBLIP_INLINE float exp_non_positive(float x) {
  constexpr float kLogHigh = 0.693145751953125f;          // ln 2 in two parts,
  constexpr float kLogLow = 1.428606765330187045e-06f;    // the first one short enough to be exact
  constexpr float kInverseLog = 1.44269504088896340736f;  // 1 / ln 2
  // To the nearest integer: adding 1.5 * 2^23 leaves no fraction bits.
  constexpr float kShift = 12582912.0f;
  const float q = (x * kInverseLog + kShift) - kShift;
  float s = MultiplyAdd::run(q, -kLogHigh, x);
  s = MultiplyAdd::run(q, -kLogLow, s);
  float u = 0.000198527617612853646278381f;
  u = MultiplyAdd::run(u, s, 0.00139304355252534151077271f);
  u = MultiplyAdd::run(u, s, 0.00833336077630519866943359f);
  u = MultiplyAdd::run(u, s, 0.0416664853692054748535156f);
  u = MultiplyAdd::run(u, s, 0.166666671633720397949219f);
  u = MultiplyAdd::run(u, s, 0.5f);
  u = 1.0f + MultiplyAdd::run(s * s, u, s);
  const auto exponent = static_cast<std::int32_t>(q);
  const std::int32_t half = exponent >> 1;
  return u * power_of_two(half) * power_of_two(exponent - half);
}

constexpr std::size_t kLanes = 16;    // floats in an AVX-512 register
constexpr std::size_t kBlock = 1024;  // floats that stay in the nearest cache; a multiple of kLanes

template <class MultiplyAdd>
INSTRUCTBLIP_INLINE float sum_exp(const float* x, std::size_t size, float max) {
  std::array<float, kBlock> block;
  std::array<float, kLanes> lanes{};
  for (std::size_t begin = 0; begin < size; begin += kBlock) {
    const std::size_t count = std::min(kBlock, size - begin);
    for (std::size_t i = 0; i < count; ++i) {
      const float shifted = x[begin + i] - max;
      block[i] = shifted < kUnderflow ? kUnderflow : shifted;
    }
    for (std::size_t i = 0; i < count; ++i) block[i] = exp_non_positive<MultiplyAdd>(block[i]);
    for (std::size_t i = 0; i < count; ++i) lanes[i % kLanes] += block[i];
  }
  if (size < kLanes) {  // a short row is added up from the left
    for (std::size_t k = 1; k < size; ++k) lanes[0] += lanes[k];
    return lanes[0];
  }
  for (std::size_t width = kLanes / 2; width > 0; width /= 2) {  // lane k and lane k + width
    for (std::size_t k = 0; k < width; ++k) lanes[k] += lanes[k + width];
  }
  return lanes[0];
}

float sum_exp_portable(const float* x, std::size_t size, float max) {
  return sum_exp<WideMultiplyAdd>(x, size, max);
}

#if defined(__x86_64__) && defined(__GNUC__)
__attribute__((target("avx2,fma"))) float sum_exp_avx2(const float* x, std::size_t size,
                                                       float max) {
  return sum_exp<FusedMultiplyAdd>(x, size, max);
}

float sum_exp_best(const float* x, std::size_t size, float max) {
  static const bool has_fma = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  return has_fma ? sum_exp_avx2(x, size, max) : sum_exp_portable(x, size, max);
}
#elif defined(__FP_FAST_FMAF)
float sum_exp_best(const float* x, std::size_t size, float max) {
  return sum_exp<FusedMultiplyAdd>(x, size, max);
}
#else
float sum_exp_best(const float* x, std::size_t size, float max) {
  return sum_exp_portable(x, size, max);
}
#endif

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
  t = WideMultiplyAdd::run(t, square, 0.3996108174f);
  t = WideMultiplyAdd::run(t, square, 0.6666694880f);
  const float cubic = (square * r) * t;
  return static_cast<float>((e * kLog2 + 2.0 * ratio) + static_cast<double>(cubic));
}

}  // namespace

LogNormalizer log_normalizer(std::span<const float> logits) {
  const float max = max_value(logits);
  return {max, log_of_sum(sum_exp_best(logits.data(), logits.size(), max))};
}

LogNormalizer log_normalizer_portable(std::span<const float> logits) {
  const float max = max_value(logits);
  return {max, log_of_sum(sum_exp_portable(logits.data(), logits.size(), max))};
}

void log_softmax(std::span<const float> logits, std::span<float> out) {
  const LogNormalizer normalizer = log_normalizer(logits);
  for (std::size_t i = 0; i < logits.size(); ++i) out[i] = normalizer(logits[i]);
}

}  // namespace instructblip
