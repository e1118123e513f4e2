// What stands for the tiles of AMX on other processors, see tiles.h and tiles_amx.h: it ends the
// program where the instructions would be refused.
#pragma once

namespace instructblip::kernels::cpu {
namespace {

struct Tile {
  std::int64_t rows = 0;  // 0: not configured
  float words[kRowsOfTile][kWordsOfTile];
};

thread_local Tile tiles[8];

INSTRUCTBLIP_KERNEL Tile& tile_of(int number) {
  if (tiles[number].rows == 0) __builtin_trap();
  return tiles[number];
}

INSTRUCTBLIP_KERNEL void configure_tiles(const TileRows& rows) {
  if (rows.first < 1 || rows.first > kRowsOfTile || rows.second > kRowsOfTile) __builtin_trap();
  for (int i = 0; i < 8; ++i) {
    const bool second = i == 2 || i == 3 || i == 5;
    tiles[i].rows = i >= 6 ? kRowsOfTile : second ? rows.second : rows.first;
  }
}

INSTRUCTBLIP_KERNEL void release_tiles() {
  for (Tile& tile : tiles) tile.rows = 0;
}

INSTRUCTBLIP_KERNEL void zero_tile(int number) {
  Tile& tile = tile_of(number);
  std::memset(tile.words, 0, sizeof(tile.words));
}

// Rows behind the configured ones become zeros.
INSTRUCTBLIP_KERNEL void load_tile(int number, const float* from, std::int64_t stride) {
  zero_tile(number);
  Tile& tile = tile_of(number);
  for (std::int64_t row = 0; row < tile.rows; ++row) {
    std::memcpy(tile.words[row], from + row * stride, sizeof(tile.words[row]));
  }
}

INSTRUCTBLIP_KERNEL void store_tile(int number, float* to, std::int64_t stride) {
  const Tile& tile = tile_of(number);
  for (std::int64_t row = 0; row < tile.rows; ++row) {
    std::memcpy(to + row * stride, tile.words[row], sizeof(tile.words[row]));
  }
}

INSTRUCTBLIP_KERNEL void multiply_tile_pairs(int sums, int rows, int weights) {
  Tile& c = tile_of(sums);
  const Tile &a = tile_of(rows), &b = tile_of(weights);
  if (c.rows != a.rows) __builtin_trap();
  for (std::int64_t row = 0; row < c.rows; ++row) {
    for (std::int64_t word = 0; word < kWordsOfTile; ++word) {
      const float x = a.words[row][word];
      for (std::int64_t i = 0; i < kLanes; ++i) {
        const float w = b.words[word][i];
        c.words[row][i] += first_of(x) * first_of(w) + second_of(x) * second_of(w);
      }
    }
  }
}

template <bool two_rows, bool two_panels>
INSTRUCTBLIP_KERNEL void clear_sums() {
  zero_tile(0);
  if constexpr (two_panels) zero_tile(1);
  if constexpr (two_rows) zero_tile(2);
  if constexpr (two_rows && two_panels) zero_tile(3);
}

template <bool two_rows, bool two_panels>
INSTRUCTBLIP_KERNEL void load_sums(const float* from, std::int64_t stride) {
  const float* const second = from + kRowsOfTile * stride;
  load_tile(0, from, stride);
  if constexpr (two_panels) load_tile(1, from + kLanes, stride);
  if constexpr (two_rows) load_tile(2, second, stride);
  if constexpr (two_rows && two_panels) load_tile(3, second + kLanes, stride);
}

template <bool two_rows, bool two_panels>
INSTRUCTBLIP_KERNEL void store_sums(float* to, std::int64_t stride) {
  float* const second = to + kRowsOfTile * stride;
  store_tile(0, to, stride);
  if constexpr (two_panels) store_tile(1, to + kLanes, stride);
  if constexpr (two_rows) store_tile(2, second, stride);
  if constexpr (two_rows && two_panels) store_tile(3, second + kLanes, stride);
}

template <bool two_rows, bool two_panels>
INSTRUCTBLIP_KERNEL void add_tile_products(const float* x, const float* weights,
                                           const float* others) {
  load_tile(4, x, kWordsOfTile);
  load_tile(6, weights, kWordsOfTile);
  multiply_tile_pairs(0, 4, 6);
  if constexpr (two_panels) {
    load_tile(7, others, kWordsOfTile);
    multiply_tile_pairs(1, 4, 7);
  }
  if constexpr (two_rows) {
    load_tile(5, x + kFloatsOfTile, kWordsOfTile);
    multiply_tile_pairs(2, 5, 6);
  }
  if constexpr (two_rows && two_panels) multiply_tile_pairs(3, 5, 7);
}

}  // namespace
}  // namespace instructblip::kernels::cpu
