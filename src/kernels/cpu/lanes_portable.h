// Lanes in an array, for any processor; see lanes.h.
#pragma once

namespace instructblip::kernels::cpu {
namespace {

struct Lanes {
  float all[kLanes];
};

template <class Function>
INSTRUCTBLIP_KERNEL Lanes each(Function function) {
  Lanes result;
  for (std::int64_t i = 0; i < kLanes; ++i) result.all[i] = function(i);
  return result;
}

INSTRUCTBLIP_KERNEL float float_of(std::uint32_t bits) {
  float x;
  std::memcpy(&x, &bits, sizeof(x));
  return x;
}
INSTRUCTBLIP_KERNEL std::uint32_t bits_of(float x) {
  std::uint32_t bits;
  std::memcpy(&bits, &x, sizeof(bits));
  return bits;
}

INSTRUCTBLIP_KERNEL float widened(BFloat16 x) {
  return float_of(static_cast<std::uint32_t>(x.bits) << 16);
}

INSTRUCTBLIP_KERNEL float widened(Half x) {
  const std::uint32_t sign = static_cast<std::uint32_t>(x.bits & 0x8000U) << 16;
  const std::uint32_t rest = x.bits & 0x7FFFU;
  if (rest >= 0x7C00U) return float_of(sign | 0x7F800000U | (rest & 0x3FFU) << 13);
  // As if the exponent were a float's, then scaled to be one: exact below the normal ones too.
  constexpr std::uint32_t kTwoTo112 = (112U + 127U) << 23;
  return float_of(sign | (rest << 13)) * float_of(kTwoTo112);
}

INSTRUCTBLIP_KERNEL Lanes broadcast(float x) {
  return each([&](std::int64_t) { return x; });
}
INSTRUCTBLIP_KERNEL Lanes load(const float* from) {
  return each([&](std::int64_t i) { return from[i]; });
}
INSTRUCTBLIP_KERNEL Lanes load(const Half* from) {
  return each([&](std::int64_t i) { return widened(from[i]); });
}
INSTRUCTBLIP_KERNEL Lanes load(const BFloat16* from) {
  return each([&](std::int64_t i) { return widened(from[i]); });
}
INSTRUCTBLIP_KERNEL Lanes load(const Int8* from) {
  return each([&](std::int64_t i) { return static_cast<float>(from[i].value); });
}
INSTRUCTBLIP_KERNEL void store(const Lanes& x, float* to) { std::memcpy(to, x.all, sizeof(x)); }

INSTRUCTBLIP_KERNEL Lanes add(const Lanes& a, const Lanes& b) {
  return each([&](std::int64_t i) { return a.all[i] + b.all[i]; });
}
INSTRUCTBLIP_KERNEL Lanes subtract(const Lanes& a, const Lanes& b) {
  return each([&](std::int64_t i) { return a.all[i] - b.all[i]; });
}
INSTRUCTBLIP_KERNEL Lanes multiply(const Lanes& a, const Lanes& b) {
  return each([&](std::int64_t i) { return a.all[i] * b.all[i]; });
}
INSTRUCTBLIP_KERNEL Lanes divide(const Lanes& a, const Lanes& b) {
  return each([&](std::int64_t i) { return a.all[i] / b.all[i]; });
}
// The larger one; b where either is NaN.
INSTRUCTBLIP_KERNEL Lanes larger(const Lanes& a, const Lanes& b) {
  return each([&](std::int64_t i) { return a.all[i] > b.all[i] ? a.all[i] : b.all[i]; });
}
// a where x is negative, else b.
INSTRUCTBLIP_KERNEL Lanes where_negative(const Lanes& x, const Lanes& a, const Lanes& b) {
  return each([&](std::int64_t i) { return x.all[i] < 0.0f ? a.all[i] : b.all[i]; });
}
// a * b + c, rounded once where that is one operation, else twice.
INSTRUCTBLIP_KERNEL Lanes multiply_add(const Lanes& a, const Lanes& b, const Lanes& c) {
  return each([&](std::int64_t i) {
#if defined(__FP_FAST_FMAF)
    return __builtin_fmaf(a.all[i], b.all[i], c.all[i]);
#else
    return a.all[i] * b.all[i] + c.all[i];
#endif
  });
}
// The product is exact in double. Its second rounding differs from the fused one about once in 2^28
// times.
INSTRUCTBLIP_KERNEL Lanes multiply_add_once_rounded(const Lanes& a, const Lanes& b,
                                                    const Lanes& c) {
  return each([&](std::int64_t i) {
    return static_cast<float>(static_cast<double>(a.all[i]) * static_cast<double>(b.all[i]) +
                              static_cast<double>(c.all[i]));
  });
}

// x * 2^e for whole e, where x, 2^e and the result are normal numbers; NaN where x and e are.
INSTRUCTBLIP_KERNEL Lanes scale(const Lanes& x, const Lanes& e) {
  return each([&](std::int64_t i) {
    const bool whole = e.all[i] >= -126.0f && e.all[i] <= 127.0f;  // else NaN
    const auto exponent = whole ? static_cast<std::int32_t>(e.all[i]) : 0;
    return float_of(bits_of(x.all[i]) + (static_cast<std::uint32_t>(exponent) << 23));
  });
}

// Sixteen words of 32 bits.
struct Words {
  std::uint32_t all[kLanes];
};

INSTRUCTBLIP_KERNEL Words load_words(const void* from) {
  Words words;
  std::memcpy(words.all, from, sizeof(words));
  return words;
}
// Their lowest 4 bits less 8; the bits above them take their place.
INSTRUCTBLIP_KERNEL Lanes take_4_bits(Words& words) {
  return each([&](std::int64_t i) {
    const auto bits = static_cast<std::int32_t>(words.all[i] & 15U);
    words.all[i] >>= 4;
    return static_cast<float>(bits - 8);
  });
}

// Lane i with i + 8, then i + 4, i + 2 and i + 1.
INSTRUCTBLIP_KERNEL float sum(const Lanes& x) {
  float parts[kLanes];
  std::memcpy(parts, x.all, sizeof(parts));
  for (std::int64_t width = kLanes / 2; width > 0; width /= 2) {
    for (std::int64_t i = 0; i < width; ++i) parts[i] += parts[i + width];
  }
  return parts[0];
}

// The sums of four: out[k] = sum(x[k]).
INSTRUCTBLIP_KERNEL void sum_four(const Lanes* x, float* out) {
  for (int k = 0; k < 4; ++k) out[k] = sum(x[k]);
}

}  // namespace
}  // namespace instructblip::kernels::cpu
