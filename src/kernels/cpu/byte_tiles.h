// Tiles of rounded rows times a few panels, for the instruction set that the including file is
// compiled for.
#pragma once

#include "kernels/cpu/byte_rounding.h"
#include "kernels/cpu/weight_ahead.h"

namespace instructblip::kernels::cpu {
namespace {

// Sums that stay in registers at once.
#if defined(__AVX512VNNI__)
constexpr int kMostByteRows = 6;
constexpr int kMostByteRowsOfFew = 8;
constexpr int kFewByteRows = 24;
constexpr int kBytePanels = 2;
#elif defined(__AVXVNNI__)
constexpr int kMostByteRows = 6;
constexpr int kMostByteRowsOfFew = 6;
constexpr int kFewByteRows = 12;
constexpr int kBytePanels = 1;
#elif defined(__AVX2__)
constexpr int kMostByteRows = 5;
constexpr int kMostByteRowsOfFew = 5;
constexpr int kFewByteRows = 12;
constexpr int kBytePanels = 1;
#else
constexpr int kMostByteRows = 3;
constexpr int kMostByteRowsOfFew = 3;
constexpr int kFewByteRows = 8;
constexpr int kBytePanels = 1;
#endif

static_assert(kFewByteRows <= kMostFewRows);

// Pairs of steps that the compiler lays side by side. With VNNI all of a block, so that no
// sum is copied between two of them; elsewhere one, or sums would go to memory.
#if defined(__AVX512VNNI__) || defined(__AVXVNNI__)
constexpr int kTwosUnrolled = 4;
#else
constexpr int kTwosUnrolled = 1;
#endif

// Blocks of weights as a panel has them.
template <class Bits>
struct AsPacked {
  static constexpr std::int64_t kBytesOfBlock = Bits::kBytesOfPanelBlock;

  // Those of a step, the first of two or the second.
  INSTRUCTBLIP_KERNEL static auto weights(const std::byte* block, int two, int step) {
    return Bits::of_panel(block, two, step);
  }
  INSTRUCTBLIP_KERNEL static Lanes scales(const std::byte* block) {
    if constexpr (!Bits::kScaled) return broadcast(1.0f);
    return load(reinterpret_cast<const Half*>(block));
  }
  // Memory is asked for what is read some time after the weights of two steps. A single row takes
  // so little time that all cores together wait for memory, whatever they ask for in advance: it is
  // asked for in the simple way.
  template <int Rows>
  INSTRUCTBLIP_KERNEL static void prefetch(const std::byte* block, int two) {
    constexpr std::int64_t kAhead = 2048, kBytesOfTwo = kBytesOfBlock / Bits::kSteps * 2;
    for (std::int64_t at = 0; at < kBytesOfTwo; at += 64) {
      const std::byte* const from = block + two / 2 * kBytesOfTwo + at;
      if constexpr (Rows > 1) {
        prefetch_weights<1>(from, kAhead);
      } else {
        __builtin_prefetch(from + kAhead);
      }
    }
  }
};

// The same, taken apart for many rows: StepsOfBlock::bytes_of_weights() of them.
template <class Bits>
struct Prepared {
  static constexpr std::int64_t kBytesOfBlock = kSteps<Bits>.bytes_of_weights();

  INSTRUCTBLIP_KERNEL static auto weights(const std::byte* block, int two, int step) {
    return Bits::load(block + (two + step) * 64);
  }
  INSTRUCTBLIP_KERNEL static Lanes scales(const std::byte* block) {
    return load(reinterpret_cast<const float*>(block + Bits::kSteps * 64));
  }
  template <int Rows>
  INSTRUCTBLIP_KERNEL static void prefetch(const std::byte*, int) {}
};

template <class Bits>
void prepare_block(const std::byte* block, std::byte* to) {
  for (int two = 0; two < Bits::kSteps; two += 2) {
    Bits::store(Bits::of_panel(block, two, 0), to + two * 64);
    Bits::store(Bits::of_panel(block, two, 1), to + two * 64 + 64);
  }
  if constexpr (Bits::kScaled) {
    store(AsPacked<Bits>::scales(block), reinterpret_cast<float*>(to + Bits::kSteps * 64));
  }
}

// Some blocks of a tile.
struct BytePiece {
  const std::byte* x;
  const std::byte* weights;
  std::int64_t apart;  // bytes from one panel's to the next one's
  std::int64_t blocks;
  float* totals;
  std::int64_t stride;
};

template <int M, int N, class Bits, class Weights>
INSTRUCTBLIP_KERNEL void multiply_block(const BytePiece& p, std::int64_t block,
                                        Lanes (&totals)[M][N]) {
  const std::byte* x = p.x + block * M * kSteps<Bits>.bytes_of_row();
  const auto* scales = reinterpret_cast<const float*>(x + M * Bits::kSteps * 4);
  const std::byte* starts = x + M * Bits::kSteps * 4 + M * 4;
  const std::byte* weights = p.weights + block * Weights::kBytesOfBlock;
  typename Bits::Sums sums[M][N];
  for (int m = 0; m < M; ++m) {
    for (int n = 0; n < N; ++n) sums[m][n] = Bits::sums_from(starts + m * 4);
  }
#pragma GCC unroll kTwosUnrolled
  for (int two = 0; two < Bits::kSteps; two += 2) {
    for (int n = 0; n < N; ++n) Weights::template prefetch<M>(weights + n * p.apart, two);
    for (int step = 0; step < 2; ++step) {
      typename Bits::Weights w[N];
      for (int n = 0; n < N; ++n) w[n] = Weights::weights(weights + n * p.apart, two, step);
      for (int m = 0; m < M; ++m) {
        for (int n = 0; n < N; ++n) {
          sums[m][n] = Bits::add_products(sums[m][n], w[n], x + ((two + step) * M + m) * 4);
        }
      }
    }
  }
  for (int n = 0; n < N; ++n) {
    const Lanes weight = Bits::kScaled ? Weights::scales(weights + n * p.apart) : broadcast(1.0f);
    for (int m = 0; m < M; ++m) {
      const Lanes scale = broadcast(scales[m]);
      totals[m][n] =
          multiply_add_once_rounded(Bits::to_lanes(sums[m][n]),
                                    Bits::kScaled ? multiply(scale, weight) : scale, totals[m][n]);
    }
  }
}

template <int M, int N, class Bits, class Weights>
void multiply_bytes(const BytePiece& p) {
  Lanes totals[M][N];
  for (int m = 0; m < M; ++m) {
    for (int n = 0; n < N; ++n) totals[m][n] = load(p.totals + m * p.stride + n * kLanes);
  }
  for (std::int64_t block = 0; block < p.blocks; ++block) {
    multiply_block<M, N, Bits, Weights>(p, block, totals);
  }
  for (int m = 0; m < M; ++m) {
    for (int n = 0; n < N; ++n) store(totals[m][n], p.totals + m * p.stride + n * kLanes);
  }
}

// N panels at a time, and those that are left one by one.
template <class Bits, class Weights, int N, int M>
void multiply_byte_tile(const BytePiece& p, std::int64_t rows, std::int64_t panels) {
  if (rows == M) {
    BytePiece piece = p;
    for (; panels >= N; panels -= N) {
      multiply_bytes<M, N, Bits, Weights>(piece);
      piece.weights += N * p.apart;
      piece.totals += N * kLanes;
    }
    if constexpr (N > 1) {
      if (panels > 0) multiply_byte_tile<Bits, Weights, 1, M>(piece, rows, panels);
    }
    return;
  }
  if constexpr (M > 1) multiply_byte_tile<Bits, Weights, N, M - 1>(p, rows, panels);
}

}  // namespace
}  // namespace instructblip::kernels::cpu
