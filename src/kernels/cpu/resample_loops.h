// The loops of a resampling, which the compiler makes vectors of, for the instruction set that the
// including file is compiled for.
#pragma once

#include "kernels/cpu/resample_lines.h"

namespace instructblip::kernels::cpu {
namespace {

inline std::uint8_t rounded(std::uint32_t sum, int precision) {
  const std::int32_t value = static_cast<std::int32_t>(sum + (1U << precision >> 1)) >> precision;
  return static_cast<std::uint8_t>(value < 0 ? 0 : value > 255 ? 255 : value);
}

// R G B R G B ... into three planes of 16-bit values.
inline void split_channels(const std::uint8_t* row, int width, std::int16_t* planes,
                           std::ptrdiff_t plane) {
  std::int16_t* red = planes;
  std::int16_t* green = planes + plane;
  std::int16_t* blue = planes + 2 * plane;
  for (int x = 0; x < width; ++x) {
    red[x] = row[3 * x];
    green[x] = row[3 * x + 1];
    blue[x] = row[3 * x + 2];
  }
}

// A copy: bytes that are written might else be those of the struct, which would be read again.
inline void resample_row(const RowToResample row) {
  split_channels(row.in, row.width, row.planes, row.plane);
  const int taps = row.taps;
  for (std::ptrdiff_t i = 0; i < row.outputs; ++i) {
    for (int channel = 0; channel < 3; ++channel) {
      const std::int16_t* in = row.planes + channel * row.plane + row.first[i];
      const std::int16_t* high = row.high + i * taps;
      const std::int16_t* low = row.low + i * taps;
      std::uint32_t sum = 0;
      for (int begin = 0; begin < taps; begin += kTapBlock) {
        const int end = taps < begin + kTapBlock ? taps : begin + kTapBlock;
        std::int32_t high_sum = 0;
        std::int32_t low_sum = 0;
        for (int t = begin; t < end; ++t) {
          high_sum += high[t] * in[t];
          low_sum += low[t] * in[t];
        }
        sum +=
            (static_cast<std::uint32_t>(high_sum) << kSplit) + static_cast<std::uint32_t>(low_sum);
      }
      row.out[i * 3 + channel] = rounded(sum, row.precision);
    }
  }
}

inline void sum_rows(const RowsToSum r) {
  constexpr int kBlock = 64;  // sums stay in registers
  int begin = 0;
  for (; begin + kBlock <= r.size; begin += kBlock) {
    std::uint32_t sums[kBlock] = {};
    for (int t = 0; t < r.count; ++t) {
      const std::uint8_t* in = r.rows[t] + begin;
      const auto weight = static_cast<std::uint32_t>(r.weights[t]);
      for (int i = 0; i < kBlock; ++i) sums[i] += weight * in[i];
    }
    for (int i = 0; i < kBlock; ++i) r.out[begin + i] = rounded(sums[i], r.precision);
  }
  for (; begin < r.size; ++begin) {
    std::uint32_t sum = 0;
    for (int t = 0; t < r.count; ++t) {
      sum += static_cast<std::uint32_t>(r.weights[t]) * r.rows[t][begin];
    }
    r.out[begin] = rounded(sum, r.precision);
  }
}

}  // namespace
}  // namespace instructblip::kernels::cpu
