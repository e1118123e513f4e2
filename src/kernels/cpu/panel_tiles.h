// Tiles of rows times a few panels, for the instruction set that the including file is compiled
// for.
#pragma once

#include "kernels/cpu/panel_ahead.h"
#include "kernels/cpu/panel_finish.h"
#include "kernels/cpu/panel_piece.h"

namespace instructblip::kernels::cpu {
namespace {

// Weights that take more than a load have a loop of their own.
template <int M, int N, class Weight>
void multiply(const Piece& piece) {
  if constexpr (requires { Weight::template multiply<M, N>(piece); }) {
    Weight::template multiply<M, N>(piece);
  } else {
    multiply_piece<M, N, Weight>(piece);
  }
}

// All panels of a piece, as many at a time as fit the registers.
template <int M, class Weight, int N = kPanelsOfRows[M]>
void multiply_panels(Piece piece, std::int64_t panels) {
  for (; panels >= N; panels -= N) {
    multiply<M, N, Weight>(piece);
    piece.panels += N * piece.bytes_of_panel;
    piece.totals += N * kLanes;
  }
  if constexpr (N > 1) {
    if (panels > 0) multiply_panels<M, Weight, N / 2>(piece, panels);
  }
}

template <class Weight, int M = kMostRows>
void multiply_tile(const Piece& piece, std::int64_t rows, std::int64_t panels) {
  if (rows == M) return multiply_panels<M, Weight>(piece, panels);
  if constexpr (M > 1) multiply_tile<Weight, M - 1>(piece, rows, panels);
}

void clear_totals(float* totals, std::int64_t rows, std::int64_t stride, std::int64_t panels) {
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t n = 0; n < panels; ++n) {
      store(broadcast(0.0f), totals + row * stride + n * kLanes);
    }
  }
}

// The weights of a block as its rows take them: one for each word of a row of x.
struct BlockWeights {
  const std::byte* panels;
  std::size_t bytes_of_panel;
  std::int64_t words;
  NextWeights next;
};

template <class Weight>
void multiply_tiles(const PanelBlock& b, const BlockWeights& weights) {
  const Panels of = panels_in(b);
  const std::int64_t panels = all_of(of), stride = panels * kLanes;
  const RowTiles tiles = b.tiles;  // a copy, which no store of a sum can change
  const std::int64_t count = count_of(tiles), share = weights.next.share_of(count);
  for (std::int64_t tile = 0; tile < count; ++tile) {
    const std::int64_t begin = begin_of(tiles, tile), end = begin_of(tiles, tile + 1);
    float* const totals = b.totals + begin * stride;
    if (b.first == 0) clear_totals(totals, end - begin, stride, panels);
    weights.next.prefetch(of, tile * share, share);
    if (b.last) prefetch_results(b.results, begin, end);
    const Piece piece{.x = b.x + begin * weights.words,
                      .panels = weights.panels,
                      .bytes_of_panel = weights.bytes_of_panel,
                      .count = weights.words,
                      .totals = totals,
                      .stride = stride};
    multiply_tile<Weight>(piece, end - begin, panels);
    if (b.last) finish_rows(b.results, {b.totals, stride, begin, end}, of);
  }
}

}  // namespace
}  // namespace instructblip::kernels::cpu
