// The tiles of AMX, or what stands for them: registers of 16 rows of 64 bytes, of which a product
// of up to 32 rows with two panels takes all eight. Included by files of one instruction set only.
#pragma once

#include "kernels/cpu/lanes.h"

namespace instructblip::kernels::cpu {
namespace {

constexpr std::int64_t kRowsOfTile = 16;
constexpr std::int64_t kWordsOfTile = 16;  // in a row: two bfloat16, or a float32, each
constexpr std::int64_t kInputsOfTile = 2 * kWordsOfTile;
constexpr std::int64_t kFloatsOfTile = kRowsOfTile * kWordsOfTile;

// Rows of x that are multiplied at once: those of two tiles.
struct TileRows {
  std::int64_t first, second;  // rows; the second may be 0
};

}  // namespace
}  // namespace instructblip::kernels::cpu

#if defined(__AMX_BF16__) || defined(__AMXBF16__)  // as GCC, and as clang 14 names it
#include "kernels/cpu/tiles_amx.h"
#else
#include "kernels/cpu/tiles_portable.h"
#endif
