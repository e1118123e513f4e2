// The loops of an RMSNorm, for the instruction set that the including file is compiled for.
#pragma once

#include "kernels/cpu/lanes.h"
#include "kernels/cpu/rms_norm_rows.h"

namespace instructblip::kernels::cpu {
namespace {

// Two sums at a time, since each addition waits for the one before.
float sum_of_squares(const float* x, std::int64_t width) {
  Lanes even = broadcast(0.0f), odd = even;
  for (std::int64_t i = 0; i < width; i += 2 * kLanes) {
    const Lanes first = load_up_to(x + i, width - i);
    const Lanes second = load_up_to(x + i + kLanes, width - i - kLanes);
    even = multiply_add_once_rounded(first, first, even);
    odd = multiply_add_once_rounded(second, second, odd);
  }
  return sum(add(even, odd));
}

void scale_row(const float* x, float scale, const float* weight, std::int64_t width, float* y) {
  const Lanes by = broadcast(scale);
  std::int64_t i = 0;
  for (; i + kLanes <= width; i += kLanes) {
    store(multiply(multiply(load(x + i), by), load(weight + i)), y + i);
  }
  if (i < width) {
    const std::int64_t left = width - i;
    const Lanes last =
        multiply(multiply(load_first(x + i, left), by), load_first(weight + i, left));
    store_first(last, left, y + i);
  }
}

RmsNormRow rms_norm_row() { return {.sum_of_squares = sum_of_squares, .scale = scale_row}; }

}  // namespace
}  // namespace instructblip::kernels::cpu
