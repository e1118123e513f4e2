// The loops of a product of bfloat16 with rows that are rounded to it, for the instruction set that
// the including file is compiled for.
#pragma once

#include "kernels/cpu/pair_rows.h"
#include "kernels/cpu/panel_few.h"

namespace instructblip::kernels::cpu {
namespace {

// Two columns of a few panels at a time, paired where they are read, times a tile of rows: the sums
// of multiply_piece<M, N, Pair>(), in the same order.
template <int M, int N>
INSTRUCTBLIP_KERNEL void multiply_columns(const Piece& piece) {
  Lanes sums[M][N];
  clear(sums);
  const float* x = piece.x;
  const std::byte* at = piece.panels;
  const auto panel = [&](int n) { return at + static_cast<std::size_t>(n) * piece.bytes_of_panel; };
  Lanes weights[N];
#pragma GCC unroll 4
  for (std::int64_t word = 0; word < piece.count / 2; ++word) {
    for (int n = 0; n < N; ++n) {
      prefetch_weights<N>(panel(n), 0);
      weights[n] = load(reinterpret_cast<const Columns*>(panel(n)));
    }
    multiply_input<Pair>(x, weights, sums);
    x += M;
    at += sizeof(Columns);
  }
  if (piece.count % 2 != 0) {
    for (int n = 0; n < N; ++n) {
      weights[n] = load_last_column(reinterpret_cast<const BFloat16*>(panel(n)));
    }
    multiply_input<Pair>(x, weights, sums);
  }
  add_to_totals(sums, piece);
}

// Weights as panels of bfloat16 have them.
struct ColumnsOfPanels {
  template <int M, int N>
  INSTRUCTBLIP_KERNEL static void multiply(const Piece& piece) {
    multiply_columns<M, N>(piece);
  }
};

void run_pair_product(const PanelProduct& p) {
  multiply_few_rows<2>(p, kPairInputsOfBlock,
                       [](const Piece& piece, std::int64_t rows, std::int64_t panels) {
                         multiply_tile<ColumnsOfPanels>(piece, rows, panels);
                       });
}

// Behind the last of an odd number of inputs there is a zero.
void regroup_pairs(const RowsToRegroup& r) {
  const std::int64_t words = (r.count + 1) / 2;
  for (std::int64_t first = 0; first < words; first += kLanes) {
    const std::int64_t here = words - first < kLanes ? words - first : kLanes;
    float* const to = r.tile + first * r.from.rows;
    for (std::int64_t row = 0; row < r.from.rows; ++row) {
      float pairs[kLanes];
      round_inputs(r, row, 2 * first, pairs);
      for (std::int64_t word = 0; word < here; ++word) {
        std::memcpy(to + word * r.from.rows + row, pairs + word, sizeof(float));
      }
    }
  }
}

void run_pair_block(const PanelBlock& b) {
  const Panels panels = panels_in(b);
  const std::int64_t words = (b.count + 1) / 2, offset = b.first * kLanes * 2;
  const std::size_t next = static_cast<std::size_t>(panels.count) * b.bytes_of_panel;
  for (std::int64_t n = 0; n < all_of(panels); ++n) {
    interleave_panel(panel_of(panels, n) + offset, b.count, next, b.wide + n * words * kLanes);
  }
  multiply_tiles<Pair>(b,
                       {.panels = reinterpret_cast<const std::byte*>(b.wide),
                        .bytes_of_panel = static_cast<std::size_t>(words * kLanes) * sizeof(float),
                        .words = words,
                        .next = {}});
}

PanelKernel pair_kernel(std::int64_t most_rows_of_few, std::int64_t panels_of_many) {
  return {.most_rows = kMostRows,
          .few_rows = kMostFewRows,
          .most_rows_of_few = most_rows_of_few,
          .panels_of_many = panels_of_many,
          .rows_of_block = kPairRowsOfBlock,
          .inputs_of_block = kPairInputsOfBlock,
          .inputs_of_step = 2,
          .words_of_step = 1,
          .regroup = regroup_pairs,
          .run = run_pair_product,
          .run_block = run_pair_block};
}

}  // namespace
}  // namespace instructblip::kernels::cpu
