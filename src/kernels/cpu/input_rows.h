// Inputs of rows as a product takes them, for the instruction set that the including file is
// compiled for.
#pragma once

#include "kernels/cpu/lanes.h"
#include "kernels/cpu/panel_product.h"

namespace instructblip::kernels::cpu {
namespace {

// Sixteen inputs of a row from `first` on, of which `left` are there; zeros behind them.
INSTRUCTBLIP_KERNEL Lanes inputs_at(const InputRows& r, std::int64_t row, std::int64_t first,
                                    std::int64_t left) {
  const Lanes x = load_up_to(r.x + row * r.stride + first, left);
  if (r.weight == nullptr) return x;
  return multiply(multiply(x, broadcast(r.scales[row])), load_up_to(r.weight + first, left));
}

}  // namespace
}  // namespace instructblip::kernels::cpu
