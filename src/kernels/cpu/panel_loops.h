// The loops of a product with packed weights, for the instruction set that the including file is
// compiled for.
#pragma once

#include "kernels/cpu/panel_few.h"
#include "kernels/cpu/panel_turn.h"
#include "kernels/cpu/panel_widen.h"

namespace instructblip::kernels::cpu {
namespace {

void multiply_tile(Held held, const Piece& piece, std::int64_t rows, std::int64_t panels) {
  switch (held) {
    case Held::f32:
    case Held::rows:
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

void run_panel_product(const PanelProduct& p) {
  multiply_few_rows<1>(p, kInputsOfBlock,
                       [&](const Piece& piece, std::int64_t rows, std::int64_t panels) {
                         multiply_tile(p.held, piece, rows, panels);
                       });
}

void run_panel_block(const PanelBlock& b) {
  const Panels panels = panels_in(b);
  const std::int64_t offset = offset_of(b.held, b.first);
  if (b.held == Held::f32) {  // those of the second half are as far away as they are
    const std::size_t apart =
        b.times == nullptr ? b.bytes_of_panel : static_cast<std::size_t>(b.times - b.panels);
    return multiply_tiles<float>(
        b, {.panels = b.panels + offset, .bytes_of_panel = apart, .words = b.count, .next = {}});
  }
  const std::size_t apart = b.bytes_of_panel / kLanes;  // rows of a panel
  for (std::int64_t n = 0; n < all_of(panels); ++n) {
    const std::byte* const from = panel_of(panels, n) + offset;
    float* const to = b.wide + n * kInputsOfBlock * kLanes;
    if (b.held == Held::rows) {
      turn_panel({from, apart, rows_in_panel(panels, b.results, n)}, b.count, to);
    } else {
      widen_panel(b.held, from, b.count, to);
    }
  }
  const std::int64_t next = offset_of(b.held, b.next.first);
  const std::int64_t bytes = offset_of(b.held, b.next.first + b.next.count) - next;
  multiply_tiles<float>(b, {.panels = reinterpret_cast<const std::byte*>(b.wide),
                            .bytes_of_panel = kInputsOfBlock * kLanes * sizeof(float),
                            .words = b.count,
                            .next = {.offset = b.next.panels + next,
                                     .runs = b.held == Held::rows ? kLanes : 1,
                                     .bytes = bytes,
                                     .apart = apart}});
}

void regroup(const RowsToRegroup& r) {
  const std::int64_t rows = r.from.rows;
  const float* const weight = r.from.weight;
  for (std::int64_t row = 0; row < rows; ++row) {
    const float* const from = r.from.x + row * r.from.stride;
    float* const to = r.tile + row;
    if (weight == nullptr) {
      for (std::int64_t k = 0; k < r.count; ++k) to[k * rows] = from[k];
    } else {
      const float mean = r.from.means[row], scale = r.from.scales[row];
      const float* const bias = r.from.bias;
      for (std::int64_t k = 0; k < r.count; ++k) {
        const float normal = (from[k] - mean) * scale * weight[k];
        to[k * rows] = bias == nullptr ? normal : normal + bias[k];
      }
    }
  }
}

}  // namespace
}  // namespace instructblip::kernels::cpu
