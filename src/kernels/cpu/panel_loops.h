// The loops of a product with packed weights, for the instruction set that the including file is
// compiled for.
#pragma once

#include "kernels/cpu/panel_tiles.h"
#include "kernels/cpu/panel_widen.h"

namespace instructblip::kernels::cpu {
namespace {

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
  multiply_tiles<float>(b, {weights, bytes_of_panel, b.count});
}

void regroup(const RowsToRegroup& r) {
  for (std::int64_t row = 0; row < r.rows; ++row) {
    const float* const from = r.x + row * r.stride;
    for (std::int64_t k = 0; k < r.count; ++k) r.tile[k * r.rows + row] = from[k];
  }
}

}  // namespace
}  // namespace instructblip::kernels::cpu
