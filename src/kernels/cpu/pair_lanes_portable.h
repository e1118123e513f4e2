// Pairs of bfloat16 for any processor; see pair_lanes.h.
#pragma once

namespace instructblip::kernels::cpu {
namespace {

INSTRUCTBLIP_KERNEL float first_of(float pair) { return float_of(bits_of(pair) << 16); }
INSTRUCTBLIP_KERNEL float second_of(float pair) { return float_of(bits_of(pair) & 0xFFFF0000U); }

INSTRUCTBLIP_KERNEL Lanes load(const Pair* from) {
  Lanes words;
  std::memcpy(words.all, from, sizeof(words.all));
  return words;
}

// sums + the product of the second ones + that of the first.
INSTRUCTBLIP_KERNEL Lanes add_product(Pair, const Lanes& row, const Lanes& weights,
                                      const Lanes& sums) {
  return each([&](std::int64_t i) {
    const float x = row.all[i], w = weights.all[i];
    return sums.all[i] + second_of(x) * second_of(w) + first_of(x) * first_of(w);
  });
}

// [2][16] -> [16][2].
INSTRUCTBLIP_KERNEL Lanes load(const Columns* from) {
  BFloat16 pairs[2 * kLanes];
  for (std::int64_t i = 0; i < kLanes; ++i) {
    pairs[2 * i] = from->at[i];
    pairs[2 * i + 1] = from->at[kLanes + i];
  }
  Lanes words;
  std::memcpy(words.all, pairs, sizeof(pairs));
  return words;
}
// The last column has no other beside it: zeros.
INSTRUCTBLIP_KERNEL Lanes load_last_column(const BFloat16* from) {
  Columns columns = {};
  std::memcpy(columns.at, from, kLanes * sizeof(BFloat16));
  return load(&columns);
}

// To the nearest, ties to even. What is added carries into the exponent where that is needed, and
// would make infinity of some NaN.
INSTRUCTBLIP_KERNEL BFloat16 rounded_to_16(float x) {
  const std::uint32_t bits = bits_of(x);
  if ((bits & 0x7FFFFFFFU) > 0x7F800000U) return {static_cast<std::uint16_t>(bits >> 16 | 64U)};
  return {static_cast<std::uint16_t>((bits + 0x7FFFU + (bits >> 16 & 1U)) >> 16)};
}

// 32 numbers as 16 words.
INSTRUCTBLIP_KERNEL void round_to_pairs(const Lanes& low, const Lanes& high, float* to) {
  BFloat16 pairs[2 * kLanes];
  for (std::int64_t i = 0; i < kLanes; ++i) {
    pairs[i] = rounded_to_16(low.all[i]);
    pairs[kLanes + i] = rounded_to_16(high.all[i]);
  }
  std::memcpy(to, pairs, sizeof(pairs));
}

}  // namespace
}  // namespace instructblip::kernels::cpu
