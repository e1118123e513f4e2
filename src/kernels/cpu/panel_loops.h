// The loops of a product with packed weights, for the instruction set that the including file is
// compiled for.
#pragma once

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
template <int M, class Weight>
void multiply_panels(Piece piece, std::int64_t panels) {
  constexpr int N = kPanelsOfRows[M];
  for (; panels >= N; panels -= N) {
    multiply<M, N, Weight>(piece);
    piece.panels += N * piece.bytes_of_panel;
    piece.totals += N * kLanes;
  }
  for (; panels > 0; --panels) {
    multiply<M, 1, Weight>(piece);
    piece.panels += piece.bytes_of_panel;
    piece.totals += kLanes;
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

// Inputs [first, first + count) of all tiles.
void multiply_inputs(const PanelProduct& p, std::int64_t panels, std::int64_t first,
                     std::int64_t count) {
  const std::byte* weights = p.panels + offset_of(p.held, first);
  std::size_t bytes_of_panel = p.bytes_of_panel;
  Held held = p.held;
  if (p.wide != nullptr) {
    for (std::int64_t n = 0; n < panels; ++n) {
      widen_panel(held, weights + static_cast<std::size_t>(n) * bytes_of_panel, count,
                  p.wide + n * kInputsOfBlock * kLanes);
    }
    weights = reinterpret_cast<const std::byte*>(p.wide);
    bytes_of_panel = kInputsOfBlock * kLanes * sizeof(float);
    held = Held::f32;
  }
  const std::int64_t tiles = count_of(p.tiles);
  for (std::int64_t tile = 0; tile < tiles; ++tile) {
    const std::int64_t begin = begin_of(p.tiles, tile);
    const std::int64_t rows = begin_of(p.tiles, tile + 1) - begin;
    const Piece piece{.x = p.x + begin * p.inputs + first * rows,
                      .panels = weights,
                      .bytes_of_panel = bytes_of_panel,
                      .count = count,
                      .totals = p.totals + begin * kTotalsStride};
    multiply_tile(held, piece, rows, panels);
  }
}

// Writes 16 results, or the first few of them.
INSTRUCTBLIP_KERNEL void finish(const PanelProduct& p, const Lanes& total, std::int64_t row,
                                std::int64_t output) {
  const std::int64_t count = p.outputs - output < kLanes ? p.outputs - output : kLanes;
  const std::int64_t at = row * p.stride + output;
  const auto of = [&](const float* from) {
    return count == kLanes ? load(from) : load_first(from, count);
  };
  Lanes y = total;
  if (p.bias != nullptr) y = add(y, of(p.bias + output));
  if (p.plus != nullptr) y = add(y, of(p.plus + at));
  if (count == kLanes) {
    store(y, p.y + at);
  } else {
    store_first(y, count, p.y + at);
  }
}

void run_panel_product(const PanelProduct& p) {
  const std::int64_t panels = (p.outputs + kLanes - 1) / kLanes;
  for (std::int64_t row = 0; row < p.tiles.rows; ++row) {
    for (std::int64_t n = 0; n < panels; ++n) {
      store(broadcast(0.0f), p.totals + row * kTotalsStride + n * kLanes);
    }
  }
  for (std::int64_t first = 0; first < p.inputs; first += kInputsOfBlock) {
    const std::int64_t left = p.inputs - first;
    multiply_inputs(p, panels, first, left < kInputsOfBlock ? left : kInputsOfBlock);
  }
  for (std::int64_t n = 0; n < panels; ++n) {
    const bool scaled = p.held == Held::w8;
    const auto* scales =
        reinterpret_cast<const float*>(p.panels + static_cast<std::size_t>(n) * p.bytes_of_panel);
    const Lanes scale = scaled ? load(scales) : broadcast(1.0f);
    for (std::int64_t row = 0; row < p.tiles.rows; ++row) {
      const Lanes total = load(p.totals + row * kTotalsStride + n * kLanes);
      finish(p, scaled ? multiply(scale, total) : total, row, n * kLanes);
    }
  }
}

}  // namespace
}  // namespace instructblip::kernels::cpu
