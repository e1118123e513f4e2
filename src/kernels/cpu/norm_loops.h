// The loops of a norm, for the instruction set that the including file is compiled for.
#pragma once

#include "kernels/cpu/input_rows.h"
#include "kernels/cpu/norm_rows.h"

namespace instructblip::kernels::cpu {
namespace {

// Two sums at a time in both loops, since each addition waits for the one before.
float sum_of_row(const float* x, std::int64_t width) {
  Lanes even = broadcast(0.0f), odd = even;
  for (std::int64_t i = 0; i < width; i += 2 * kLanes) {
    even = add(even, load_up_to(x + i, width - i));
    odd = add(odd, load_up_to(x + i + kLanes, width - i - kLanes));
  }
  return sum(add(even, odd));
}

// x - mean of the first of the `count` numbers that are left, zeros behind them.
INSTRUCTBLIP_KERNEL Lanes centred_up_to(const float* x, const Lanes& mean, std::int64_t count) {
  if (count >= kLanes) return subtract(load(x), mean);
  if (count <= 0) return broadcast(0.0f);
  float differences[kLanes];
  store(subtract(load_first(x, count), mean), differences);
  return load_first(differences, count);
}

float sum_of_squares(const float* x, float mean, std::int64_t width) {
  const Lanes centre = broadcast(mean);
  Lanes even = broadcast(0.0f), odd = even;
  for (std::int64_t i = 0; i < width; i += 2 * kLanes) {
    const Lanes first = centred_up_to(x + i, centre, width - i);
    const Lanes second = centred_up_to(x + i + kLanes, centre, width - i - kLanes);
    even = multiply_add_once_rounded(first, first, even);
    odd = multiply_add_once_rounded(second, second, odd);
  }
  return sum(add(even, odd));
}

void normalise_row(const float* x, const Normaliser& by, const float* weight, const float* bias,
                   std::int64_t width, float* y) {
  const InputRows row{.x = x,
                      .stride = width,
                      .rows = 1,
                      .weight = weight,
                      .bias = bias,
                      .means = &by.mean,
                      .scales = &by.scale};
  std::int64_t i = 0;
  for (; i + kLanes <= width; i += kLanes) store(inputs_at(row, 0, i, kLanes), y + i);
  if (i < width) store_first(inputs_at(row, 0, i, width - i), width - i, y + i);
}

NormRow norm_row() {
  return {.sum = sum_of_row, .sum_of_squares = sum_of_squares, .normalise = normalise_row};
}

}  // namespace
}  // namespace instructblip::kernels::cpu
