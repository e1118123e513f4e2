// What the files of one instruction set compute of a resampling. Known to them, so it includes
// nothing that brings functions with it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace instructblip::kernels::cpu {

// A weight has 23 bits and a sign, more than the 16 that fast multipliers take. It is split into
// high * 2^kSplit + low, both 16 bits, and the sums are put together modulo 2^32, where the whole
// fits.
inline constexpr int kSplit = 14;
inline constexpr int kTapGroup = 16;   // taps are filled up with zeros to a multiple of it
inline constexpr int kTapBlock = 256;  // 255 * 2^kSplit * kTapBlock < 2^31

// One row along the horizontal axis.
struct RowToResample {
  const std::uint8_t* in;  // [width, 3]
  int width;
  std::int16_t* planes;  // [3, plane]: room for the channels, with zeros behind the width
  std::ptrdiff_t plane;
  std::ptrdiff_t outputs;
  int taps;  // a multiple of kTapGroup
  int precision;
  const std::int32_t* first;  // [outputs]
  const std::int16_t* high;   // [outputs, taps]
  const std::int16_t* low;
  std::uint8_t* out;  // [outputs, 3]
};

// Rows that are worked out together along the horizontal axis.
inline constexpr int kRowsTogether = 8;

struct RowsToResample {
  const std::uint8_t* rows[kRowsTogether];  // [width, 3] each
  int width;
  // Room for pairs of pixels, at a multiple of 32 bytes, with zeros behind the width:
  // [pairs][channel][kRowsTogether] words of two 16-bit values.
  std::int32_t* words;
  std::ptrdiff_t outputs;
  int pairs;  // room for weights of each output position
  int precision;
  const std::int32_t* first;    // [outputs], a pair of pixels
  const std::int32_t* count;    // [outputs], pairs
  const std::int32_t* weights;  // [outputs, pairs, 2]: high, then low parts of the weights of two
  int stored;                   // rows of `out`
  std::uint8_t* out[kRowsTogether];  // [outputs, 3] each
};

// One row of the vertical axis: `size` bytes from as many rows as there are weights.
struct RowsToSum {
  const std::uint8_t* const* rows;
  const std::int32_t* weights;
  int count;
  int precision;
  int size;
  std::uint8_t* out;
};

using RunRow = void (*)(const RowToResample& row);
using RunSum = void (*)(const RowsToSum& rows);
using RunRows = void (*)(const RowsToResample& rows);

void resample_row_portable(const RowToResample& row);
void resample_rows_avx2(const RowsToResample& rows);
void sum_rows_avx2(const RowsToSum& rows);
void sum_rows_portable(const RowsToSum& rows);

}  // namespace instructblip::kernels::cpu
