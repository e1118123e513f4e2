// The loops of a product with packed weights, for the instruction set that the including file is
// compiled for.
#pragma once

#include "kernels/cpu/panel_finish.h"
#include "kernels/cpu/panel_piece.h"
#include "kernels/cpu/panel_widen.h"

namespace instructblip::kernels::cpu {
namespace {

template <int M, int N, class Weight>
void multiply(const Piece& piece) {
  if constexpr (__is_same(Weight, Bits4)) {
    multiply_piece_of_4_bits<M, N>(piece);
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

void multiply_tile(Held held, const Piece& piece, std::int64_t rows, std::int64_t panels) {
  switch (held) {
    case Held::f32:
      return multiply_tile<float>(piece, rows, panels);
    case Held::f16:
      return multiply_tile<Half>(piece, rows, panels);
    case Held::bf16:
      return multiply_tile<BFloat16>(piece, rows, panels);
    case Held::w8:
      return multiply_tile<Int8>(piece, rows, panels);
    case Held::w4:
      return multiply_tile<Bits4>(piece, rows, panels);
  }
}

constexpr std::int64_t kTotalsStride = kMostPanels * kLanes;

std::int64_t panels_in(const Results& results) { return (results.outputs + kLanes - 1) / kLanes; }

// Inputs [first, first + count) of all tiles.
void multiply_inputs(const PanelProduct& p, std::int64_t panels, std::int64_t first,
                     std::int64_t count) {
  const std::byte* weights = p.panels + offset_of(p.held, first);
  const std::int64_t tiles = count_of(p.tiles);
  for (std::int64_t tile = 0; tile < tiles; ++tile) {
    const std::int64_t begin = begin_of(p.tiles, tile);
    const std::int64_t rows = begin_of(p.tiles, tile + 1) - begin;
    const Piece piece{.x = p.x + begin * p.inputs + first * rows,
                      .panels = weights,
                      .bytes_of_panel = p.bytes_of_panel,
                      .count = count,
                      .totals = p.totals + begin * kTotalsStride,
                      .stride = kTotalsStride};
    multiply_tile(p.held, piece, rows, panels);
  }
}

void clear_totals(float* totals, std::int64_t rows, std::int64_t stride, std::int64_t panels) {
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t n = 0; n < panels; ++n) {
      store(broadcast(0.0f), totals + row * stride + n * kLanes);
    }
  }
}

void run_panel_product(const PanelProduct& p) {
  const std::int64_t panels = panels_in(p.results);
  clear_totals(p.totals, p.tiles.rows, kTotalsStride, panels);
  for (std::int64_t first = 0; first < p.inputs; first += kInputsOfBlock) {
    const std::int64_t left = p.inputs - first;
    multiply_inputs(p, panels, first, left < kInputsOfBlock ? left : kInputsOfBlock);
  }
  finish_rows(p.results, {p.totals, kTotalsStride, 0, p.tiles.rows, panels}, p.held, p.panels,
              p.bytes_of_panel);
}

void run_panel_block(const PanelBlock& b) {
  const std::int64_t panels = panels_in(b.results);
  const std::int64_t stride = panels * kLanes;
  const std::byte* weights = b.panels + offset_of(b.held, b.first);
  std::size_t bytes_of_panel = b.bytes_of_panel;
  if (b.held != Held::f32) {
    for (std::int64_t n = 0; n < panels; ++n) {
      widen_panel(b.held, weights + static_cast<std::size_t>(n) * bytes_of_panel, b.count,
                  static_cast<std::size_t>(panels) * bytes_of_panel,
                  b.wide + n * kInputsOfBlock * kLanes);
    }
    weights = reinterpret_cast<const std::byte*>(b.wide);
    bytes_of_panel = kInputsOfBlock * kLanes * sizeof(float);
  }
  const std::int64_t tiles = count_of(b.tiles);
  for (std::int64_t tile = 0; tile < tiles; ++tile) {
    const std::int64_t begin = begin_of(b.tiles, tile), end = begin_of(b.tiles, tile + 1);
    float* const totals = b.totals + begin * stride;
    if (b.first == 0) clear_totals(totals, end - begin, stride, panels);
    const Piece piece{.x = b.x + begin * b.count,
                      .panels = weights,
                      .bytes_of_panel = bytes_of_panel,
                      .count = b.count,
                      .totals = totals,
                      .stride = stride};
    multiply_tile<float>(piece, end - begin, panels);
    if (b.last) {
      finish_rows(b.results, {b.totals, stride, begin, end, panels}, b.held, b.panels,
                  b.bytes_of_panel);
    }
  }
}

}  // namespace
}  // namespace instructblip::kernels::cpu
