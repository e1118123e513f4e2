#include "kernels/cpu/pair_lanes.h"
#include "kernels/cpu/probe.h"
#include "kernels/cpu/tiles.h"

namespace instructblip::kernels::cpu {

// A round is a product of two tiles of rows with two of weights, whose first pair alone is not
// zeros: `step` times `one` joins each sum.
std::int64_t multiply_bf16_amx(std::int64_t rounds, int one, int step) {
  alignas(64) float x[2 * kFloatsOfTile] = {}, weights[kFloatsOfTile] = {};
  alignas(64) float sums[2 * kFloatsOfTile * 2] = {};
  const auto pair_of = [](int number) {
    return __builtin_bit_cast(float,
                              __builtin_bit_cast(std::uint32_t, static_cast<float>(number)) >> 16);
  };
  for (std::int64_t row = 0; row < 2 * kRowsOfTile; ++row) x[row * kWordsOfTile] = pair_of(step);
  for (std::int64_t i = 0; i < kLanes; ++i) weights[i] = pair_of(one);
  configure_tiles({kRowsOfTile, kRowsOfTile});
  clear_sums<true, true>();
  write_memory_first();
  _tile_loadd(4, x, kWordsOfTile * 4);
  _tile_loadd(5, x + kFloatsOfTile, kWordsOfTile * 4);
  _tile_loadd(6, weights, kWordsOfTile * 4);
  _tile_loadd(7, weights, kWordsOfTile * 4);
  for (std::int64_t round = 0; round < rounds; ++round) {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  store_sums<true, true>(sums, 2 * kLanes);
  release_tiles();
  double all = 0;
  for (const float sum : sums) all += static_cast<double>(sum);
  return static_cast<std::int64_t>(all);
}

}  // namespace instructblip::kernels::cpu
