// A few inputs of panels times a tile of rows, in registers, for the instruction set that the
// including file is compiled for.
#pragma once

#include "kernels/cpu/lanes.h"
#include "kernels/cpu/panel_product.h"
#include "kernels/cpu/weight_ahead.h"

namespace instructblip::kernels::cpu {
namespace {

static_assert(kLanes == 16);  // a panel's rows

// Sums that stay in registers at once: tiles of M rows and N panels.
#if defined(__AVX512F__)
constexpr int kMostRows = 12;
constexpr int kPanelsOfRows[] = {0, 8, 8, 8, 4, 4, 4, 3, 3, 2, 2, 2, 2};
#elif defined(__AVX2__)
constexpr int kMostRows = 6;
constexpr int kPanelsOfRows[] = {0, 4, 3, 2, 1, 1, 1};
#else
constexpr int kMostRows = 4;
constexpr int kPanelsOfRows[] = {0, 1, 1, 1, 1};
#endif

constexpr std::int64_t kColumnsOfBlockOf4Bits = 32;
constexpr std::int64_t kBytesOfBlockOf4Bits = 16 * 2 + 4 * 16 * 4;

// Where the weights of an input begin in a panel.
INSTRUCTBLIP_KERNEL std::int64_t offset_of(Held held, std::int64_t input) {
  switch (held) {
    case Held::f32:
      return input * kLanes * 4;
    case Held::f16:
    case Held::bf16:
      return input * kLanes * 2;
    case Held::w8:
      return kLanes * 4 + input * kLanes;
    case Held::w4:
      return input / kColumnsOfBlockOf4Bits * kBytesOfBlockOf4Bits;
    case Held::rows:
      return input * 4;  // in the first row
  }
  return 0;
}

// Inputs of a few panels, times a tile of rows.
struct Piece {
  const float* x;           // [words][M]: a word is an input, or a pair of them
  const std::byte* panels;  // from the first of the inputs on
  std::size_t bytes_of_panel;
  std::int64_t count;  // inputs in the piece; words where weights lie pair by pair too
  float* totals;
  std::int64_t stride;  // from the totals of a row to those of the next
};

template <int M, int N>
INSTRUCTBLIP_KERNEL void clear(Lanes (&sums)[M][N]) {
  for (int m = 0; m < M; ++m) {
    for (int n = 0; n < N; ++n) sums[m][n] = broadcast(0.0f);
  }
}

template <int M, int N>
INSTRUCTBLIP_KERNEL void add_to_totals(const Lanes (&sums)[M][N], const Piece& piece) {
  for (int m = 0; m < M; ++m) {
    for (int n = 0; n < N; ++n) {
      float* at = piece.totals + m * piece.stride + n * kLanes;
      store(add(load(at), sums[m][n]), at);
    }
  }
}

template <class Weight>
INSTRUCTBLIP_KERNEL Lanes add_product(Weight, const Lanes& row, const Lanes& weights,
                                      const Lanes& sums) {
  return multiply_add(row, weights, sums);
}

template <class Weight, int M, int N>
INSTRUCTBLIP_KERNEL void multiply_input(const float* x, const Lanes (&weights)[N],
                                        Lanes (&sums)[M][N]) {
  for (int m = 0; m < M; ++m) {
    const Lanes row = broadcast(x[m]);
    for (int n = 0; n < N; ++n) sums[m][n] = add_product(Weight{}, row, weights[n], sums[m][n]);
  }
}

template <int M, int N, class Weight>
INSTRUCTBLIP_KERNEL void multiply_piece(const Piece& piece) {
  // Without AVX-512 what is asked for is to stay in the first level cache.
  constexpr std::int64_t kAhead = N < 4 ? 8192 / N : 2048;
  constexpr auto kStep = static_cast<std::int64_t>(kLanes * sizeof(Weight));
  Lanes sums[M][N];
  clear(sums);
  const float* x = piece.x;
  const std::byte* at = piece.panels;
#pragma GCC unroll 8
  for (std::int64_t k = 0; k < piece.count; ++k) {
    Lanes weights[N];
    for (int n = 0; n < N; ++n) {
      const std::byte* from = at + static_cast<std::size_t>(n) * piece.bytes_of_panel;
      if constexpr (M <= 8) prefetch_weights<N>(from, kAhead);
      weights[n] = load(reinterpret_cast<const Weight*>(from));
    }
    multiply_input<Weight>(x, weights, sums);
    x += M;
    at += kStep;
  }
  add_to_totals(sums, piece);
}

template <int M, int N>
INSTRUCTBLIP_KERNEL void multiply_piece_of_4_bits(const Piece& piece) {
  Lanes sums[M][N];
  clear(sums);
  const float* x = piece.x;
  const std::byte* block = piece.panels;
  for (std::int64_t left = piece.count; left > 0; left -= kColumnsOfBlockOf4Bits) {
    Lanes scales[N];
    for (int n = 0; n < N; ++n) {
      const std::byte* from = block + static_cast<std::size_t>(n) * piece.bytes_of_panel;
      if constexpr (M <= 8) {
        for (int line = 0; line < 5; ++line) prefetch_weights<N>(from + 64 * line, 2048);
      }
      scales[n] = load(reinterpret_cast<const Half*>(from));
    }
    for (std::int64_t k = 0; k < kColumnsOfBlockOf4Bits && k < left; k += 8) {
      Words words[N];
      for (int n = 0; n < N; ++n) {
        words[n] = load_words(block + static_cast<std::size_t>(n) * piece.bytes_of_panel +
                              2 * kLanes + k * 2 * 4);
      }
      const std::int64_t count = left - k < 8 ? left - k : 8;
      for (std::int64_t i = 0; i < count; ++i) {
        Lanes weights[N];
        for (int n = 0; n < N; ++n) weights[n] = multiply(scales[n], take_4_bits(words[n]));
        multiply_input<float>(x, weights, sums);
        x += M;
      }
    }
    block += kBytesOfBlockOf4Bits;
  }
  add_to_totals(sums, piece);
}

// Weights of 4 bits, eight inputs in a word.
struct Bits4 {
  template <int M, int N>
  INSTRUCTBLIP_KERNEL static void multiply(const Piece& piece) {
    multiply_piece_of_4_bits<M, N>(piece);
  }
};

}  // namespace
}  // namespace instructblip::kernels::cpu
