// Inputs of rows as a product takes them, for the instruction set that the including file is
// compiled for.
#pragma once

#include "kernels/cpu/lanes.h"
#include "kernels/cpu/panel_product.h"

namespace instructblip::kernels::cpu {
namespace {

// Sixteen inputs of a row from `first` on, of which `left` are there; zeros behind them, or NaN
// where the mean or the scale of the row is not finite.
INSTRUCTBLIP_KERNEL Lanes inputs_at(const InputRows& r, std::int64_t row, std::int64_t first,
                                    std::int64_t left) {
  const Lanes x = load_up_to(r.x + row * r.stride + first, left);
  if (r.weight == nullptr) return x;
  const Lanes normal = multiply(subtract(x, broadcast(r.means[row])), broadcast(r.scales[row]));
  const Lanes y = multiply(normal, load_up_to(r.weight + first, left));
  return r.bias == nullptr ? y : add(y, load_up_to(r.bias + first, left));
}

}  // namespace
}  // namespace instructblip::kernels::cpu
