// Sums become results, for the instruction set that the including file is compiled for.
#pragma once

#include "kernels/cpu/activate.h"
#include "kernels/cpu/lanes.h"
#include "kernels/cpu/panel_product.h"

namespace instructblip::kernels::cpu {
namespace {

// Panels that are multiplied with the same rows: `count` of them, and as many behind them whose
// results multiply theirs, where there are any.
struct Panels {
  const std::byte* panels;
  const std::byte* times;  // or null
  std::size_t bytes_of_panel;
  std::int64_t count;
  Held held;
};

INSTRUCTBLIP_KERNEL std::int64_t all_of(const Panels& p) {
  return p.times == nullptr ? p.count : 2 * p.count;
}
INSTRUCTBLIP_KERNEL const std::byte* panel_of(const Panels& p, std::int64_t n) {
  return n < p.count ? p.panels + static_cast<std::size_t>(n) * p.bytes_of_panel
                     : p.times + static_cast<std::size_t>(n - p.count) * p.bytes_of_panel;
}

// Those of a product.
template <class Product>
INSTRUCTBLIP_KERNEL Panels panels_in(const Product& p) {
  return {.panels = p.panels,
          .times = p.times,
          .bytes_of_panel = p.bytes_of_panel,
          .count = (p.results.outputs + kLanes - 1) / kLanes,
          .held = p.held};
}

// Rows of the matrix in panel n.
INSTRUCTBLIP_KERNEL std::int64_t rows_in_panel(const Panels& p, const Results& results,
                                               std::int64_t n) {
  const std::int64_t left = results.outputs - (n < p.count ? n : n - p.count) * kLanes;
  return left < kLanes ? left : kLanes;
}

// The rows [first, last), whose totals lie `stride` apart: those of a panel side by side.
struct Totals {
  const float* at;
  std::int64_t stride, first, last;
};

// Sixteen numbers of a row, or the first few of them.
struct Place {
  std::int64_t output, count;
};

INSTRUCTBLIP_KERNEL Lanes load_at(const float* from, const Place& place) {
  from += place.output;
  return place.count == kLanes ? load(from) : load_first(from, place.count);
}

// Panels begin with their scales where they are held in 8 bits.
INSTRUCTBLIP_KERNEL Lanes scale_of(const Panels& p, std::int64_t n) {
  return p.held == Held::w8 ? load(reinterpret_cast<const float*>(panel_of(p, n)))
                            : broadcast(1.0f);
}

INSTRUCTBLIP_KERNEL Lanes product_of(const float* total, Held held, const Lanes& scale,
                                     const Lanes* bias) {
  Lanes y = load(total);
  if (held == Held::w8) y = multiply(scale, y);
  return bias == nullptr ? y : add(y, *bias);
}

// The results of panel n.
INSTRUCTBLIP_KERNEL void finish_panel(const Results& r, const Totals& totals, const Panels& panels,
                                      std::int64_t n) {
  const std::int64_t left = r.outputs - n * kLanes;
  const Place place{n * kLanes, left < kLanes ? left : kLanes};
  const bool gated = panels.times != nullptr;
  const Lanes zero = broadcast(0.0f);
  const Lanes scale = scale_of(panels, n);
  const Lanes times_scale = gated ? scale_of(panels, panels.count + n) : scale;
  const Lanes bias = r.bias != nullptr ? load_at(r.bias, place) : zero;
  const Lanes times_bias = r.times_bias != nullptr ? load_at(r.times_bias, place) : zero;
  for (std::int64_t row = totals.first; row < totals.last; ++row) {
    const float* const total = totals.at + row * totals.stride + n * kLanes;
    Lanes y = product_of(total, panels.held, scale, r.bias != nullptr ? &bias : nullptr);
    if (r.activation != Activation::none) y = activate(r.activation, y);
    if (gated) {
      y = multiply(y, product_of(total + panels.count * kLanes, panels.held, times_scale,
                                 r.times_bias != nullptr ? &times_bias : nullptr));
    }
    if (r.plus != nullptr) y = add(y, load_at(r.plus + row * r.stride, place));
    float* const to = r.y + row * r.stride + place.output;
    if (place.count == kLanes) {
      store(y, to);
    } else {
      store_first(y, place.count, to);
    }
  }
}

INSTRUCTBLIP_KERNEL void finish_rows(const Results& results, const Totals& totals,
                                     const Panels& panels) {
  for (std::int64_t n = 0; n < panels.count; ++n) finish_panel(results, totals, panels, n);
}

}  // namespace
}  // namespace instructblip::kernels::cpu
