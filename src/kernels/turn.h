// Rows of a matrix brought into the order of panels, [columns][16 rows]: a copy at nearly the speed
// of memory, with the shuffles that every processor has.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernels/panels.h"

namespace instructblip::kernels {

// Sixteen bytes of elements, and how the halves of two such vectors are zipped.
template <std::size_t kElementBytes>
struct TurnVector;

template <>
struct TurnVector<1> {
  using Type = std::uint8_t __attribute__((vector_size(16)));
  static Type low(Type a, Type b) {
    return __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  }
  static Type high(Type a, Type b) {
    return __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15,
                                   31);
  }
};

template <>
struct TurnVector<2> {
  using Type = std::uint16_t __attribute__((vector_size(16)));
  static Type low(Type a, Type b) {
    return __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
  }
  static Type high(Type a, Type b) {
    return __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
  }
};

template <>
struct TurnVector<4> {
  using Type = std::uint32_t __attribute__((vector_size(16)));
  static Type low(Type a, Type b) { return __builtin_shufflevector(a, b, 0, 4, 1, 5); }
  static Type high(Type a, Type b) { return __builtin_shufflevector(a, b, 2, 6, 3, 7); }
};

// Bytes of a row that are turned at a time: a line of the cache, read whole before the next row's.
// Rows may lie a multiple of 4096 bytes apart, where all of them share a few places of the cache.
inline constexpr std::size_t kTurnedBytes = 64;

// The next kTurnedBytes of sixteen rows.
template <std::size_t kElementBytes>
void turn_lines(const std::byte* const* rows, std::size_t at, std::byte* to) {
  using Vector = TurnVector<kElementBytes>;
  using Type = typename Vector::Type;
  constexpr std::size_t kWidth = sizeof(Type) / kElementBytes;  // columns, and rows, of a square
  constexpr std::size_t kVectors = kTurnedBytes / sizeof(Type);
  constexpr auto kRows = static_cast<std::size_t>(kRowsOfPanel);
  Type lines[kRows][kVectors];
  for (std::size_t row = 0; row < kRows; ++row) {
    std::memcpy(lines[row], rows[row] + at, kTurnedBytes);
  }
  for (std::size_t v = 0; v < kVectors; ++v) {
    for (std::size_t first = 0; first < kRows; first += kWidth) {
      Type square[kWidth];
      for (std::size_t i = 0; i < kWidth; ++i) square[i] = lines[first + i][v];
      // Each round zips the rows of the first half with those of the second.
      for (std::size_t round = kWidth; round > 1; round /= 2) {
        Type zipped[kWidth];
        for (std::size_t i = 0; i < kWidth / 2; ++i) {
          zipped[2 * i] = Vector::low(square[i], square[i + kWidth / 2]);
          zipped[2 * i + 1] = Vector::high(square[i], square[i + kWidth / 2]);
        }
        for (std::size_t i = 0; i < kWidth; ++i) square[i] = zipped[i];
      }
      for (std::size_t i = 0; i < kWidth; ++i) {
        std::memcpy(to + ((v * kWidth + i) * kRows + first) * kElementBytes, &square[i],
                    sizeof(Type));
      }
    }
  }
}

// Where sixteen rows lie.
using TurnedRows = std::array<const std::byte*, static_cast<std::size_t>(kRowsOfPanel)>;

// `columns` elements of each row to [columns][16]. Nothing behind the rows is read.
template <std::size_t kElementBytes>
void turn_rows(const TurnedRows& rows, std::int64_t columns, std::byte* to) {
  constexpr std::size_t kTurnedRowBytes = kRowsOfPanel * kElementBytes;
  const std::size_t bytes = static_cast<std::size_t>(columns) * kElementBytes;
  std::size_t at = 0;
  for (; at + kTurnedBytes <= bytes; at += kTurnedBytes) {
    turn_lines<kElementBytes>(rows.data(), at, to + at / kElementBytes * kTurnedRowBytes);
  }
  if (at == bytes) return;
  constexpr auto kRows = static_cast<std::size_t>(kRowsOfPanel);
  std::byte ends[kRows][kTurnedBytes] = {}, turned[kRows * kTurnedBytes];
  TurnedRows at_ends;
  for (std::size_t row = 0; row < kRows; ++row) {
    std::memcpy(ends[row], rows[row] + at, bytes - at);
    at_ends[row] = ends[row];
  }
  turn_lines<kElementBytes>(at_ends.data(), 0, turned);
  std::memcpy(to + at / kElementBytes * kTurnedRowBytes, turned,
              (bytes - at) / kElementBytes * kTurnedRowBytes);
}

}  // namespace instructblip::kernels
