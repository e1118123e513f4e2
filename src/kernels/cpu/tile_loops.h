// The loops of a product of bfloat16 by tiles, for the instruction set that the including file is
// compiled for.
#pragma once

#include "kernels/cpu/pair_rows.h"
#include "kernels/cpu/panel_finish.h"
#include "kernels/cpu/tiles.h"

namespace instructblip::kernels::cpu {
namespace {

static_assert(kPairInputsOfBlock % kInputsOfTile == 0);

// [steps of 32 inputs][rows][16 words].
void regroup_for_tiles(const RowsToRegroup& r) {
  float* to = r.tile;
  for (std::int64_t first = 0; first < r.count; first += kInputsOfTile) {
    for (std::int64_t row = 0; row < r.from.rows; ++row, to += kWordsOfTile) {
      round_inputs(r, row, first, to);
    }
  }
}

// A tile of rows with one panel or two.
struct TilePiece {
  const float* x;
  const float* weights;  // panels one after the other
  std::int64_t rows, steps;
  float* totals;
  std::int64_t stride;
  bool first;  // there are no sums yet
};

template <bool two_rows, bool two_panels>
void multiply_steps(const TilePiece& p) {
  const float* const others = p.weights + p.steps * kFloatsOfTile;
  if (p.first) {
    clear_sums<two_rows, two_panels>();
  } else {
    load_sums<two_rows, two_panels>(p.totals, p.stride);
  }
  for (std::int64_t step = 0; step < p.steps; ++step) {
    add_tile_products<two_rows, two_panels>(p.x + step * p.rows * kWordsOfTile,
                                            p.weights + step * kFloatsOfTile,
                                            others + step * kFloatsOfTile);
  }
  store_sums<two_rows, two_panels>(p.totals, p.stride);
}

void multiply_by_tiles(const TilePiece& p, std::int64_t panels) {
  const bool two_rows = p.rows > kRowsOfTile, two_panels = panels == 2;
  if (two_rows) {
    two_panels ? multiply_steps<true, true>(p) : multiply_steps<true, false>(p);
  } else {
    two_panels ? multiply_steps<false, true>(p) : multiply_steps<false, false>(p);
  }
}

// The panels of a block, pair by pair, with zeros behind the last input.
std::int64_t prepare_tiles(const PanelBlock& b, const Panels& panels) {
  const std::int64_t steps = (b.count + kInputsOfTile - 1) / kInputsOfTile;
  const std::size_t next = static_cast<std::size_t>(panels.count) * b.bytes_of_panel;
  const std::int64_t words = (b.count + 1) / 2, offset = b.first * kLanes * 2;
  for (std::int64_t n = 0; n < all_of(panels); ++n) {
    float* const to = b.wide + n * steps * kFloatsOfTile;
    interleave_panel(panel_of(panels, n) + offset, b.count, next, to);
    for (std::int64_t word = words; word < steps * kWordsOfTile; ++word) {
      store(broadcast(0.0f), to + word * kLanes);
    }
  }
  return steps;
}

void run_tile_block(const PanelBlock& b) {
  const Panels panels = panels_in(b);
  const std::int64_t stride = all_of(panels) * kLanes;
  const std::int64_t steps = prepare_tiles(b, panels);
  TileRows configured{0, 0};
  for (std::int64_t tile = 0; tile < count_of(b.tiles); ++tile) {
    const std::int64_t begin = begin_of(b.tiles, tile), end = begin_of(b.tiles, tile + 1);
    const std::int64_t rows = end - begin, first = rows < kRowsOfTile ? rows : kRowsOfTile;
    if (configured.first != first || configured.second != rows - first) {
      configured = {first, rows - first};
      configure_tiles(configured);
    }
    multiply_by_tiles({.x = b.x + begin * steps * kWordsOfTile,
                       .weights = b.wide,
                       .rows = rows,
                       .steps = steps,
                       .totals = b.totals + begin * stride,
                       .stride = stride,
                       .first = b.first == 0},
                      all_of(panels));
    if (b.last) finish_rows(b.results, {b.totals, stride, begin, end}, panels);
  }
  release_tiles();
}

PanelKernel tile_kernel() {
  return {.most_rows = 2 * kRowsOfTile,
          .few_rows = 0,
          .most_rows_of_few = 0,
          .panels_of_many = 2,
          .rows_of_block = kPairRowsOfBlock,
          .inputs_of_block = kPairInputsOfBlock,
          .inputs_of_step = kInputsOfTile,
          .words_of_step = kWordsOfTile,
          .regroup = regroup_for_tiles,
          .run = nullptr,
          .run_block = run_tile_block};
}

}  // namespace
}  // namespace instructblip::kernels::cpu
