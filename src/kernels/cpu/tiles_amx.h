// Tiles in the registers of AMX, see tiles.h: 0 to 3 have the sums (first rows with both panels,
// then the second rows), 4 and 5 rows of x, 6 and 7 weights.
#pragma once

namespace instructblip::kernels::cpu {
namespace {

// GCC 12's own headers do not say what memory the instructions read.
INSTRUCTBLIP_KERNEL void write_memory_first() { __asm__ volatile("" : : : "memory"); }

INSTRUCTBLIP_KERNEL void configure_tiles(const TileRows& rows) {
  struct alignas(64) Configuration {
    std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
    std::uint16_t bytes_of_row[16] = {};
    std::uint8_t rows[16] = {};
  } configuration;
  for (int tile = 0; tile < 8; ++tile) {
    const bool second = tile == 2 || tile == 3 || tile == 5;
    const std::int64_t count = tile >= 6 ? kRowsOfTile : second ? rows.second : rows.first;
    configuration.rows[tile] = static_cast<std::uint8_t>(count);
    configuration.bytes_of_row[tile] = count == 0 ? 0 : kWordsOfTile * 4;
  }
  write_memory_first();
  _tile_loadconfig(&configuration);
}

INSTRUCTBLIP_KERNEL void release_tiles() { _tile_release(); }

template <bool two_rows, bool two_panels>
INSTRUCTBLIP_KERNEL void clear_sums() {
  _tile_zero(0);
  if constexpr (two_panels) _tile_zero(1);
  if constexpr (two_rows) _tile_zero(2);
  if constexpr (two_rows && two_panels) _tile_zero(3);
}

// Sums of rows `stride` floats apart, those of the panels side by side.
template <bool two_rows, bool two_panels>
INSTRUCTBLIP_KERNEL void load_sums(const float* from, std::int64_t stride) {
  const std::int64_t bytes = stride * 4;
  const float* const second = from + kRowsOfTile * stride;
  write_memory_first();
  _tile_loadd(0, from, bytes);
  if constexpr (two_panels) _tile_loadd(1, from + kLanes, bytes);
  if constexpr (two_rows) _tile_loadd(2, second, bytes);
  if constexpr (two_rows && two_panels) _tile_loadd(3, second + kLanes, bytes);
}

template <bool two_rows, bool two_panels>
INSTRUCTBLIP_KERNEL void store_sums(float* to, std::int64_t stride) {
  const std::int64_t bytes = stride * 4;
  float* const second = to + kRowsOfTile * stride;
  _tile_stored(0, to, bytes);
  if constexpr (two_panels) _tile_stored(1, to + kLanes, bytes);
  if constexpr (two_rows) _tile_stored(2, second, bytes);
  if constexpr (two_rows && two_panels) _tile_stored(3, second + kLanes, bytes);
}

// Adds the products of 32 inputs: `x` [rows][16 words], `weights` [16 words][16][2] and, of the
// other panel, `others`.
template <bool two_rows, bool two_panels>
INSTRUCTBLIP_KERNEL void add_tile_products(const float* x, const float* weights,
                                           const float* others) {
  constexpr std::int64_t kBytes = kWordsOfTile * 4;
  write_memory_first();
  _tile_loadd(4, x, kBytes);
  _tile_loadd(6, weights, kBytes);
  _tile_dpbf16ps(0, 4, 6);
  if constexpr (two_panels) {
    _tile_loadd(7, others, kBytes);
    _tile_dpbf16ps(1, 4, 7);
  }
  if constexpr (two_rows) {
    _tile_loadd(5, x + kFloatsOfTile, kBytes);
    _tile_dpbf16ps(2, 5, 6);
  }
  if constexpr (two_rows && two_panels) _tile_dpbf16ps(3, 5, 7);
}

}  // namespace
}  // namespace instructblip::kernels::cpu
