// The loops of a product with rows that are rounded to 8 bits or 16, for the instruction set that
// the including file is compiled for.
#pragma once

#include "kernels/cpu/byte_tiles.h"
#include "kernels/cpu/panel_ahead.h"
#include "kernels/cpu/panel_finish.h"

namespace instructblip::kernels::cpu {
namespace {

// What is left of a panel of w8 behind its last whole block, with zeros behind it.
template <class Bits>
struct LastColumns {
  std::byte bytes[Bits::kInputs * kLanes] = {};

  LastColumns(const std::byte* columns, std::int64_t count) {
    std::memcpy(bytes, columns, static_cast<std::size_t>(count * kLanes));
  }
};

// Panels of w4 end with a whole block.
template <class Bits>
INSTRUCTBLIP_KERNEL bool is_whole(std::int64_t inputs) {
  return Bits::kScaled || inputs >= Bits::kInputs;
}

template <class Bits>
void prepare(const std::byte* from, std::int64_t count, std::byte* to) {
  for (; count > 0; count -= Bits::kInputs) {
    if (is_whole<Bits>(count)) {
      prepare_block<Bits>(from, to);
    } else {
      prepare_block<Bits>(LastColumns<Bits>(from, count).bytes, to);
    }
    from += Bits::kBytesOfPanelBlock;
    to += kSteps<Bits>.bytes_of_weights();
  }
}

// A panel and all rows; its sums begin at `totals`.
template <class Bits>
void multiply_few(const FewByteRows& p, const std::byte* panel, float* totals) {
  constexpr std::int64_t kStride = kMostPanels * kLanes;
  const std::byte* weights = panel + (p.held == Held::w8 ? kLanes * 4 : 0);
  const std::int64_t blocks = kSteps<Bits>.blocks_in(p.inputs);
  const std::int64_t left = p.inputs - (blocks - 1) * Bits::kInputs;
  const std::int64_t whole = is_whole<Bits>(left) ? blocks : blocks - 1;
  for (std::int64_t tile = 0; tile < count_of(p.tiles); ++tile) {
    const std::int64_t begin = begin_of(p.tiles, tile);
    const std::int64_t rows = begin_of(p.tiles, tile + 1) - begin;
    const std::int64_t bytes = kSteps<Bits>.bytes_of_row();
    BytePiece piece{.x = p.x + begin * blocks * bytes,
                    .weights = weights,
                    .apart = 0,
                    .blocks = whole,
                    .totals = totals + begin * kStride,
                    .stride = kStride};
    for (std::int64_t m = 0; m < rows; ++m) store(broadcast(0.0f), piece.totals + m * kStride);
    multiply_byte_tile<Bits, AsPacked<Bits>, 1, kMostByteRowsOfFew>(piece, rows, 1);
    if (whole == blocks) continue;
    const LastColumns<Bits> last(weights + whole * Bits::kBytesOfPanelBlock, left);
    piece.x += whole * rows * bytes;
    piece.weights = last.bytes;
    piece.blocks = 1;
    multiply_byte_tile<Bits, AsPacked<Bits>, 1, kMostByteRowsOfFew>(piece, rows, 1);
  }
}

void run_few_byte_rows(const FewByteRows& p) {
  const Panels panels = panels_in(p);
  const auto multiply = p.held == Held::w4 ? multiply_few<FourBits> : multiply_few<EightBits>;
  for (std::int64_t n = 0; n < all_of(panels); ++n) {
    multiply(p, panel_of(panels, n), p.totals + n * kLanes);
  }
  finish_rows(p.results, {p.totals, kMostPanels * kLanes, 0, p.tiles.rows}, panels);
}

template <class Bits>
void run_many_byte_rows(const ByteProduct& p) {
  constexpr std::int64_t kBytesOfPrepared =
      kSteps<Bits>.blocks_in(kInputsOfByteBlock) * kSteps<Bits>.bytes_of_weights();
  const Panels of = panels_in(p);
  const std::int64_t panels = all_of(of), stride = panels * kLanes;
  const std::int64_t block = p.first / Bits::kInputs, blocks = kSteps<Bits>.blocks_in(p.count);
  const std::int64_t offset =
      block * Bits::kBytesOfPanelBlock + (p.held == Held::w8 ? kLanes * 4 : 0);
  for (std::int64_t n = 0; n < panels; ++n) {
    prepare<Bits>(panel_of(of, n) + offset, p.count, p.prepared + n * kBytesOfPrepared);
  }
  const RowTiles tiles = p.tiles;  // a copy, which no store of a sum can change
  const std::int64_t count = count_of(tiles);
  const NextWeights next{.offset = static_cast<std::ptrdiff_t>(p.next) + offset,
                         .runs = 1,
                         .bytes = blocks * Bits::kBytesOfPanelBlock,
                         .apart = 0};
  const std::int64_t share = next.share_of(count);
  for (std::int64_t tile = 0; tile < count; ++tile) {
    const std::int64_t begin = begin_of(tiles, tile), end = begin_of(tiles, tile + 1);
    const std::int64_t rows = end - begin;
    float* const totals = p.totals + begin * stride;
    next.prefetch(of, tile * share, share);
    if (p.last) prefetch_results(p.results, begin, end);
    for (std::int64_t i = 0; p.first == 0 && i < rows * panels; ++i) {
      store(broadcast(0.0f), totals + i * kLanes);
    }
    const std::int64_t before = begin * kSteps<Bits>.blocks_in(p.inputs) + block * rows;
    const BytePiece piece{.x = p.x + before * kSteps<Bits>.bytes_of_row(),
                          .weights = p.prepared,
                          .apart = kBytesOfPrepared,
                          .blocks = blocks,
                          .totals = totals,
                          .stride = stride};
    multiply_byte_tile<Bits, Prepared<Bits>, kBytePanels, kMostByteRows>(piece, rows, panels);
    if (p.last) finish_rows(p.results, {p.totals, stride, begin, end}, of);
  }
}

void run_byte_product(const ByteProduct& p) {
  p.held == Held::w4 ? run_many_byte_rows<FourBits>(p) : run_many_byte_rows<EightBits>(p);
}

ByteKernel byte_kernel() {
  return {.most_rows = kMostByteRows,
          .few_rows = kFewByteRows,
          .most_rows_of_few = kMostByteRowsOfFew,
          .panels = kBytePanels,
          .of_4_bits = kSteps<FourBits>,
          .of_8_bits = kSteps<EightBits>,
          .round = round_rows,
          .run_few = run_few_byte_rows,
          .run = run_byte_product};
}

}  // namespace
}  // namespace instructblip::kernels::cpu
