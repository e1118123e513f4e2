// Rows are rounded, for the instruction set that the including file is compiled for.
#pragma once

#include "kernels/cpu/byte_lanes.h"

namespace instructblip::kernels::cpu {
namespace {

template <class Bits>
constexpr StepsOfBlock kSteps = {Bits::kSteps};

INSTRUCTBLIP_KERNEL std::int64_t scales_in(std::int64_t inputs) {
  return (inputs + kInputsOfScale - 1) / kInputsOfScale;
}

// A block of one row. Where a number is NaN or infinite the scale is NaN, and so are the results.
template <class Bits>
INSTRUCTBLIP_KERNEL void round_block(const RowsToRound& r, std::int64_t row, std::int64_t block) {
  const std::int64_t at = block * kInputsOfScale;
  const float* x = r.x + row * r.stride + at;
  const std::int64_t left = r.inputs - at;
  const Lanes low = load_up_to(x, left), high = load_up_to(x + kLanes, left - kLanes);
  const float most = largest_of_32(magnitude(low), magnitude(high));
  constexpr float kLeast = 1e-30f;  // below it kMost / most is no float
  const float no_number = sum(add(subtract(low, low), subtract(high, high)));
  const float scale = most / Bits::kMost + no_number;
  const Lanes inverse = broadcast(most > kLeast ? Bits::kMost / most : 0.0f);
  std::byte words[Bits::kSteps * 4];
  const std::int32_t whole = Bits::round(multiply(low, inverse), multiply(high, inverse), words);
  std::byte* const out = r.out + block * r.rows * kSteps<Bits>.bytes_of_row();
  for (std::int64_t step = 0; step < Bits::kSteps; ++step) {
    std::memcpy(out + (step * r.rows + row) * 4, words + step * 4, 4);
  }
  std::byte* const scales = out + r.rows * Bits::kSteps * 4;
  std::memcpy(scales + row * 4, &scale, 4);
  std::memcpy(scales + (r.rows + row) * 4, &whole, 4);
}

template <class Bits>
void round_rows_for(const RowsToRound& r) {
  for (std::int64_t block = 0; block < scales_in(r.inputs); ++block) {
    for (std::int64_t row = 0; row < r.rows; ++row) round_block<Bits>(r, row, block);
  }
}

void round_rows(const RowsToRound& r) {
  r.held == Held::w4 ? round_rows_for<FourBits>(r) : round_rows_for<EightBits>(r);
}

}  // namespace
}  // namespace instructblip::kernels::cpu
