#include "kernels/cpu/pair_lanes.h"
#include "kernels/cpu/probe.h"

namespace instructblip::kernels::cpu {

// The lower number of each pair, `step`, times `one`, joins each sum; the upper ones are 0.
std::int64_t multiply_bf16_avx512(std::int64_t rounds, int one, int step) {
  constexpr int kSums = 12;
  const auto pairs_of = [](int number) {
    return Lanes{_mm512_castsi512_ps(
        _mm512_srli_epi32(_mm512_castps_si512(_mm512_set1_ps(static_cast<float>(number))), 16))};
  };
  const Lanes factor = pairs_of(one), more = pairs_of(step);
  Lanes sums[kSums];
#pragma GCC unroll 12
  for (int i = 0; i < kSums; ++i) sums[i] = broadcast(static_cast<float>(i));
  for (std::int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 12
    for (int i = 0; i < kSums; ++i) sums[i] = add_product(Pair{}, factor, more, sums[i]);
  }
  Lanes all = broadcast(0.0f);
#pragma GCC unroll 12
  for (int i = 0; i < kSums; ++i) all = add(all, sums[i]);
  float lanes[kLanes];
  store(all, lanes);
  float sum = 0;
  for (const float lane : lanes) sum += lane;
  return static_cast<std::int64_t>(sum);
}

}  // namespace instructblip::kernels::cpu
