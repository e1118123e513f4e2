// Rows are rounded, for the instruction set that the including file is compiled for.
#pragma once

#include "kernels/cpu/byte_lanes.h"
#include "kernels/cpu/input_rows.h"

namespace instructblip::kernels::cpu {
namespace {

template <class Bits>
constexpr StepsOfBlock kSteps = {Bits::kInputs, Bits::kSteps};

// Inputs of one row that are rounded together, zeros behind the last.
template <class Bits>
struct InputsOfBlock {
  Lanes all[Bits::kInputs / kLanes];

  INSTRUCTBLIP_KERNEL InputsOfBlock(const RowsToRound& r, std::int64_t row, std::int64_t first) {
    for (int i = 0; i < Bits::kInputs / kLanes; ++i, first += kLanes) {
      all[i] = inputs_at(r.from, row, first, r.inputs - first);
    }
  }
};

// A block of one row. Where a number is NaN or infinite the scale is NaN, and so are the results.
template <class Bits>
INSTRUCTBLIP_KERNEL void round_block(const RowsToRound& r, std::int64_t row, std::int64_t block) {
  const std::int64_t rows = r.from.rows;
  const InputsOfBlock<Bits> x(r, row, block * Bits::kInputs);
  const float most = largest_magnitude(x.all);
  constexpr float kLeast = 1e-30f;  // below it kMost / most is no float
  const float scale = most / Bits::kMost + (most - most);
  const Lanes inverse = broadcast(most > kLeast ? Bits::kMost / most : 0.0f);
  std::byte* out = r.out + block * rows * kSteps<Bits>.bytes_of_row() + row * 4;
  // Words of one row follow one another; those of several alternate, and are put in place below.
  std::byte apart[Bits::kSteps * 4];
  std::byte* const words = rows == 1 ? out : apart;
  std::int32_t start = 0;
  for (int i = 0; i < Bits::kInputs / kLanes; i += 2) {
    start += Bits::round(multiply(x.all[i], inverse), multiply(x.all[i + 1], inverse),
                         words + i * (Bits::kSteps * 4 * kLanes / Bits::kInputs));
  }
  for (std::int64_t step = 0; step < Bits::kSteps; ++step, out += rows * 4) {
    if (rows > 1) std::memcpy(out, words + step * 4, 4);
  }
  std::memcpy(out, &scale, 4);
  std::memcpy(out + rows * 4, &start, 4);
}

template <class Bits>
void round_rows_for(const RowsToRound& rows) {
  const RowsToRound r = rows;  // a copy, which no store of a word can change
  for (std::int64_t block = 0; block < kSteps<Bits>.blocks_in(r.inputs); ++block) {
    for (std::int64_t row = 0; row < r.from.rows; ++row) round_block<Bits>(r, row, block);
  }
}

void round_rows(const RowsToRound& r) {
  r.held == Held::w4 ? round_rows_for<FourBits>(r) : round_rows_for<EightBits>(r);
}

}  // namespace
}  // namespace instructblip::kernels::cpu
