// AMX's instructions for tiles of bfloat16 as functions (Intel, Software Developer's Manual, volume
// 2, and Architecture Instruction Set Extensions Reference, chapter 3). What a processor would
// refuse, with a fault, ends the program.
#pragma once

#include <cstdint>
#include <cstring>

namespace instructblip::kernels::simulated {
namespace {

constexpr int kMostRows = 16, kMostWords = 16;

struct Tile {
  int rows = 0, words = 0;  // words of 32 bits in a row; 0: not configured
  std::uint32_t at[kMostRows][kMostWords] = {};
};

thread_local Tile tiles[8];

inline Tile& configured(int number) {
  if (tiles[number].rows == 0) __builtin_trap();
  return tiles[number];
}

// 64 bytes: the palette, where to go on, 14 of zeros, bytes of a row of 16 tiles, rows of 16 tiles.
inline void load_configuration(const void* from) {
  struct {
    std::uint8_t palette, start_row, reserved[14];
    std::uint16_t bytes_of_row[16];
    std::uint8_t rows[16];
  } read;
  static_assert(sizeof(read) == 64);
  std::memcpy(&read, from, sizeof(read));
  if (read.palette != 1 || read.start_row != 0) __builtin_trap();
  for (const std::uint8_t byte : read.reserved) {
    if (byte != 0) __builtin_trap();
  }
  for (int i = 0; i < 16; ++i) {
    const int rows = read.rows[i], bytes = read.bytes_of_row[i];
    const bool neither = rows == 0 && bytes == 0;
    const bool both = i < 8 && rows >= 1 && rows <= kMostRows && bytes >= 1 && bytes <= 64;
    if ((!neither && !both) || bytes % 4 != 0) __builtin_trap();
    if (i < 8) tiles[i] = {.rows = rows, .words = bytes / 4};
  }
}

inline void release() {
  for (Tile& tile : tiles) tile = {};
}

inline void zero(int number) {
  Tile& tile = configured(number);
  tile = {.rows = tile.rows, .words = tile.words};
}

// Rows `stride` bytes apart.
inline void load(int number, const void* from, std::int64_t stride) {
  zero(number);
  Tile& tile = tiles[number];
  for (int row = 0; row < tile.rows; ++row) {
    std::memcpy(tile.at[row], static_cast<const char*>(from) + row * stride,
                static_cast<std::size_t>(tile.words) * 4);
  }
}

inline void store(int number, void* to, std::int64_t stride) {
  const Tile& tile = configured(number);
  for (int row = 0; row < tile.rows; ++row) {
    std::memcpy(static_cast<char*>(to) + row * stride, tile.at[row],
                static_cast<std::size_t>(tile.words) * 4);
  }
}

// What the instruction takes a number below the normal ones for.
inline float without_denormals(float x) {
  return x > -0x1p-126f && x < 0x1p-126f ? __builtin_copysignf(0.0f, x) : x;
}

inline float from_bits(std::uint32_t bits) {
  float x;
  std::memcpy(&x, &bits, sizeof(x));
  return without_denormals(x);
}

// The first number of a word is its lower half.
inline float first(std::uint32_t word) { return from_bits(word << 16); }
inline float second(std::uint32_t word) { return from_bits(word & 0xFFFF0000U); }

// sums += rows * weights: the first and the second numbers of words are summed apart. What comes
// out below the normal numbers is left as it is, where the instruction makes it 0.
inline void multiply_pairs(int sums, int rows, int weights) {
  Tile& c = configured(sums);
  const Tile &a = configured(rows), &b = configured(weights);
  const bool one = sums == rows || rows == weights || weights == sums;
  if (one || a.rows != c.rows || a.words != b.rows || b.words != c.words) __builtin_trap();
  for (int row = 0; row < c.rows; ++row) {
    for (int column = 0; column < c.words; ++column) {
      float firsts = 0.0f, seconds = 0.0f;
      for (int word = 0; word < a.words; ++word) {
        const std::uint32_t x = a.at[row][word], w = b.at[word][column];
        firsts = __builtin_fmaf(first(x), first(w), firsts);
        seconds = __builtin_fmaf(second(x), second(w), seconds);
      }
      const float sum = from_bits(c.at[row][column]) + (firsts + seconds);
      std::memcpy(&c.at[row][column], &sum, sizeof(sum));
    }
  }
}

}  // namespace
}  // namespace instructblip::kernels::simulated

#undef _tile_loadconfig
#define _tile_loadconfig instructblip::kernels::simulated::load_configuration
#undef _tile_release
#define _tile_release instructblip::kernels::simulated::release
#undef _tile_zero
#define _tile_zero instructblip::kernels::simulated::zero
#undef _tile_loadd
#define _tile_loadd instructblip::kernels::simulated::load
#undef _tile_stored
#define _tile_stored instructblip::kernels::simulated::store
#undef _tile_dpbf16ps
#define _tile_dpbf16ps instructblip::kernels::simulated::multiply_pairs
