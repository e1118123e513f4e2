// Sums become results, for the instruction set that the including file is compiled for.
#pragma once

#include "kernels/cpu/lanes.h"
#include "kernels/cpu/panel_product.h"

namespace instructblip::kernels::cpu {
namespace {

// Writes 16 results of a row, or the first few of them.
INSTRUCTBLIP_KERNEL void finish(const Results& results, const Lanes& total, std::int64_t row,
                                std::int64_t output) {
  const std::int64_t left = results.outputs - output;
  const std::int64_t count = left < kLanes ? left : kLanes;
  const std::int64_t at = row * results.stride + output;
  const auto of = [&](const float* from) {
    return count == kLanes ? load(from) : load_first(from, count);
  };
  Lanes y = total;
  if (results.bias != nullptr) y = add(y, of(results.bias + output));
  if (results.plus != nullptr) y = add(y, of(results.plus + at));
  if (count == kLanes) {
    store(y, results.y + at);
  } else {
    store_first(y, count, results.y + at);
  }
}

// The rows [first, last) of some panels, whose totals lie `stride` apart.
struct Totals {
  const float* at;
  std::int64_t stride, first, last, panels;
};

// `panels` begin with their scales where they are held in 8 bits.
INSTRUCTBLIP_KERNEL void finish_rows(const Results& results, const Totals& totals, Held held,
                                     const std::byte* panels, std::size_t bytes_of_panel) {
  for (std::int64_t n = 0; n < totals.panels; ++n) {
    const bool scaled = held == Held::w8;
    const auto* scales =
        reinterpret_cast<const float*>(panels + static_cast<std::size_t>(n) * bytes_of_panel);
    const Lanes scale = scaled ? load(scales) : broadcast(1.0f);
    for (std::int64_t row = totals.first; row < totals.last; ++row) {
      const Lanes total = load(totals.at + row * totals.stride + n * kLanes);
      finish(results, scaled ? multiply(scale, total) : total, row, n * kLanes);
    }
  }
}

}  // namespace
}  // namespace instructblip::kernels::cpu
