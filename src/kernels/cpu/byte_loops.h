// The loops of a product with rows that are rounded to 8 bits, for the instruction set that the
// including file is compiled for.
#pragma once

#include "kernels/cpu/byte_lanes.h"
#include "kernels/cpu/byte_product.h"
#include "kernels/cpu/panel_finish.h"

namespace instructblip::kernels::cpu {
namespace {

// Sums that stay in registers at once.
#if defined(__AVX512VNNI__)
constexpr int kMostByteRows = 6;
constexpr int kBytePanels = 2;
#else
constexpr int kMostByteRows = 3;
constexpr int kBytePanels = 1;
#endif

constexpr std::int64_t kBytesOf4Bits = 16 * 2 + 4 * 16 * 4;  // a block of w4

INSTRUCTBLIP_KERNEL std::int64_t scales_in(std::int64_t inputs) {
  return (inputs + kInputsOfScale - 1) / kInputsOfScale;
}

// A block of one row.
INSTRUCTBLIP_KERNEL void round_block(const RowsToRound& r, std::int64_t row, std::int64_t block) {
  const std::int64_t at = block * kInputsOfScale;
  const float* x = r.x + row * r.stride + at;
  const std::int64_t left = r.inputs - at;
  const Lanes low = load_up_to(x, left), high = load_up_to(x + kLanes, left - kLanes);
  const float most = largest(larger(magnitude(low), magnitude(high)));
  constexpr float kLeast = 1e-35f;  // below it 127 / most is no float
  const float scale = most / 127.0f;
  const Lanes inverse = broadcast(most > kLeast ? 127.0f / most : 0.0f);
  std::byte bytes[kInputsOfScale];
  if (r.held == Held::w4) {
    store_rounded_in_halves(multiply(low, inverse), bytes);
    store_rounded_in_halves(multiply(high, inverse), bytes + kLanes);
  } else {
    store_rounded(multiply(low, inverse), bytes);
    store_rounded(multiply(high, inverse), bytes + kLanes);
  }
  std::int32_t sum = 0;
  for (const std::byte byte : bytes) sum += static_cast<std::int8_t>(byte);
  std::byte* const out = r.out + block * r.rows * kBytesOfRoundedBlock;
  for (std::int64_t four = 0; four < 8; ++four) {
    std::memcpy(out + (four * r.rows + row) * 4, bytes + four * 4, 4);
  }
  std::byte* const scales = out + r.rows * kInputsOfScale;
  std::memcpy(scales + row * 4, &scale, 4);
  std::memcpy(scales + (r.rows + row) * 4, &sum, 4);
}

void round_rows(const RowsToRound& r) {
  for (std::int64_t block = 0; block < scales_in(r.inputs); ++block) {
    for (std::int64_t row = 0; row < r.rows; ++row) round_block(r, row, block);
  }
}

void prepare_8_bits(const std::byte* from, std::int64_t count, std::size_t next, std::byte* to) {
  for (; count > 0; count -= kInputsOfScale, to += kBytesOfByteBlock) {
    std::byte last[kInputsOfScale * kLanes] = {};
    const std::byte* columns = from;
    if (count < kInputsOfScale) {
      std::memcpy(last, from, static_cast<std::size_t>(count * kLanes));
      columns = last;
    }
    for (std::int64_t four = 0; four < 8; ++four) {
      __builtin_prefetch(from + static_cast<std::size_t>(four) * 64 + next);
      prepare_columns(columns + four * 64, to + four * 64);
    }
    from += kInputsOfScale * kLanes;
  }
}

void prepare_4_bits(const std::byte* from, std::int64_t count, std::size_t next, std::byte* to) {
  for (; count > 0; count -= kInputsOfScale, to += kBytesOfByteBlock) {
    for (int line = 0; line < 5; ++line) __builtin_prefetch(from + next + 64 * line);
    const std::byte* words = from + kLanes * 2;
    for (std::int64_t eight = 0; eight < 4; ++eight) {
      prepare_words(words + eight * 64, to + eight * 128);
    }
    store(load(reinterpret_cast<const Half*>(from)), reinterpret_cast<float*>(to + 8 * 64));
    from += kBytesOf4Bits;
  }
}

// Some blocks of a tile.
struct BytePiece {
  const std::byte* x;
  const std::byte* prepared;  // panels kInputsOfBlock apart
  std::int64_t blocks;
  std::int32_t added;  // to each weight
  float* totals;
  std::int64_t stride;
};

constexpr std::int64_t kBytesOfPrepared = kInputsOfBlock / kInputsOfScale * kBytesOfByteBlock;

template <int M, int N, bool scaled>
INSTRUCTBLIP_KERNEL void multiply_block(const BytePiece& p, std::int64_t block,
                                        Lanes (&totals)[M][N]) {
  const std::byte* x = p.x + block * M * kBytesOfRoundedBlock;
  const auto* scales = reinterpret_cast<const float*>(x + M * kInputsOfScale);
  const auto* whole = reinterpret_cast<const std::int32_t*>(scales + M);
  const std::byte* weights = p.prepared + block * kBytesOfByteBlock;
  Sums sums[M][N];
  for (int m = 0; m < M; ++m) {
    for (int n = 0; n < N; ++n) sums[m][n] = sums_of(-p.added * whole[m]);
  }
  for (int four = 0; four < 8; ++four) {
    Fours w[N];
    for (int n = 0; n < N; ++n) w[n] = load_fours(weights + n * kBytesOfPrepared + four * 64);
    for (int m = 0; m < M; ++m) {
      for (int n = 0; n < N; ++n) {
        sums[m][n] = add_products(sums[m][n], w[n], x + (four * M + m) * 4);
      }
    }
  }
  for (int n = 0; n < N; ++n) {
    const auto* of_weights =
        reinterpret_cast<const float*>(weights + n * kBytesOfPrepared + 8 * 64);
    const Lanes weight = scaled ? load(of_weights) : broadcast(1.0f);
    for (int m = 0; m < M; ++m) {
      const Lanes scale = broadcast(scales[m]);
      totals[m][n] = multiply_add_once_rounded(
          to_lanes(sums[m][n]), scaled ? multiply(scale, weight) : scale, totals[m][n]);
    }
  }
}

template <int M, int N, bool scaled>
void multiply_bytes(const BytePiece& p) {
  Lanes totals[M][N];
  for (int m = 0; m < M; ++m) {
    for (int n = 0; n < N; ++n) totals[m][n] = load(p.totals + m * p.stride + n * kLanes);
  }
  for (std::int64_t block = 0; block < p.blocks; ++block) {
    multiply_block<M, N, scaled>(p, block, totals);
  }
  for (int m = 0; m < M; ++m) {
    for (int n = 0; n < N; ++n) store(totals[m][n], p.totals + m * p.stride + n * kLanes);
  }
}

template <bool scaled, int M = kMostByteRows>
void multiply_byte_tile(const BytePiece& p, std::int64_t rows, std::int64_t panels) {
  if (rows == M) {
    if (panels == kBytePanels) return multiply_bytes<M, kBytePanels, scaled>(p);
    BytePiece piece = p;
    for (; panels > 0; --panels) {
      multiply_bytes<M, 1, scaled>(piece);
      piece.prepared += kBytesOfPrepared;
      piece.totals += kLanes;
    }
    return;
  }
  if constexpr (M > 1) multiply_byte_tile<scaled, M - 1>(p, rows, panels);
}

void run_byte_product(const ByteProduct& p) {
  const bool four_bits = p.held == Held::w4;
  const Panels of = panels_in(p);
  const std::int64_t panels = all_of(of), stride = panels * kLanes;
  const std::int64_t block = p.first / kInputsOfScale, blocks = scales_in(p.count);
  const std::int64_t offset = four_bits ? block * kBytesOf4Bits : kLanes * 4 + p.first * kLanes;
  for (std::int64_t n = 0; n < panels; ++n) {
    const std::byte* from = panel_of(of, n) + offset;
    (four_bits ? prepare_4_bits : prepare_8_bits)(from, p.count, p.next,
                                                  p.prepared + n * kBytesOfPrepared);
  }
  for (std::int64_t tile = 0; tile < count_of(p.tiles); ++tile) {
    const std::int64_t begin = begin_of(p.tiles, tile), end = begin_of(p.tiles, tile + 1);
    const std::int64_t rows = end - begin;
    float* const totals = p.totals + begin * stride;
    for (std::int64_t i = 0; p.first == 0 && i < rows * panels; ++i) {
      store(broadcast(0.0f), totals + i * kLanes);
    }
    const std::byte* x = p.x + (begin * scales_in(p.inputs) + block * rows) * kBytesOfRoundedBlock;
    const BytePiece piece{.x = x,
                          .prepared = p.prepared,
                          .blocks = blocks,
                          .added = four_bits ? kAddedTo4Bits : kAddedTo8Bits,
                          .totals = totals,
                          .stride = stride};
    if (four_bits) {
      multiply_byte_tile<true>(piece, rows, panels);
    } else {
      multiply_byte_tile<false>(piece, rows, panels);
    }
    if (p.last) finish_rows(p.results, {p.totals, stride, begin, end}, of);
  }
}

}  // namespace
}  // namespace instructblip::kernels::cpu
