// A few panels times a few rows, a block of inputs after the other, for the instruction set that
// the including file is compiled for.
#pragma once

#include "kernels/cpu/panel_tiles.h"

namespace instructblip::kernels::cpu {
namespace {

constexpr std::int64_t kTotalsStride = kMostPanels * kLanes;

// `count` panels that follow one another, whose sums begin at `totals`.
struct Followers {
  const std::byte* panels;
  std::int64_t count;
  float* totals;
};

// Inputs, and the words of a row of x that they are.
struct BlockOfInputs {
  std::int64_t first, count;
  std::int64_t first_word, words_of_row;
};

// These inputs of all tiles. `multiply(piece, rows, panels)` adds those of a tile to its totals.
template <class Multiply>
INSTRUCTBLIP_KERNEL void multiply_inputs(const PanelProduct& p, const Followers& followers,
                                         const BlockOfInputs& block, const Multiply& multiply) {
  const std::byte* weights = followers.panels + offset_of(p.held, block.first);
  const std::int64_t tiles = count_of(p.tiles);
  for (std::int64_t tile = 0; tile < tiles; ++tile) {
    const std::int64_t begin = begin_of(p.tiles, tile);
    const std::int64_t rows = begin_of(p.tiles, tile + 1) - begin;
    const Piece piece{.x = p.x + begin * block.words_of_row + block.first_word * rows,
                      .panels = weights,
                      .bytes_of_panel = p.bytes_of_panel,
                      .count = block.count,
                      .totals = followers.totals + begin * kTotalsStride,
                      .stride = kTotalsStride};
    multiply(piece, rows, followers.count);
  }
}

// All of a product whose x has InputsOfWord inputs in a word; `inputs_of_block` is a whole number
// of words.
template <std::int64_t InputsOfWord, class Multiply>
INSTRUCTBLIP_KERNEL void multiply_few_rows(const PanelProduct& p, std::int64_t inputs_of_block,
                                           const Multiply& multiply) {
  const Panels panels = panels_in(p);
  clear_totals(p.totals, p.tiles.rows, kTotalsStride, all_of(panels));
  const std::int64_t words = (p.inputs + InputsOfWord - 1) / InputsOfWord;
  for (std::int64_t first = 0; first < p.inputs; first += inputs_of_block) {
    const std::int64_t left = p.inputs - first;
    const BlockOfInputs block{.first = first,
                              .count = left < inputs_of_block ? left : inputs_of_block,
                              .first_word = first / InputsOfWord,
                              .words_of_row = words};
    multiply_inputs(p, {p.panels, panels.count, p.totals}, block, multiply);
    if (p.times == nullptr) continue;
    multiply_inputs(p, {p.times, panels.count, p.totals + panels.count * kLanes}, block, multiply);
  }
  finish_rows(p.results, {p.totals, kTotalsStride, 0, p.tiles.rows}, panels);
}

}  // namespace
}  // namespace instructblip::kernels::cpu
