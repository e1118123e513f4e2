// Packed weights as float32, where many rows take them: what is read once is used for all.
#pragma once

#include "kernels/cpu/panel_piece.h"

namespace instructblip::kernels::cpu {
namespace {

template <class Weight>
INSTRUCTBLIP_KERNEL void widen_panel(const std::byte* from, std::int64_t count, float* to) {
  const auto* weights = reinterpret_cast<const Weight*>(from);
  for (std::int64_t k = 0; k < count; ++k) {
    store(load(weights + k * kLanes), to + k * kLanes);
  }
}

INSTRUCTBLIP_KERNEL void widen_panel_of_4_bits(const std::byte* block, std::int64_t count,
                                               float* to) {
  for (; count > 0; count -= kColumnsOfBlockOf4Bits, block += kBytesOfBlockOf4Bits) {
    const Lanes scale = load(reinterpret_cast<const Half*>(block));
    for (std::int64_t k = 0; k < kColumnsOfBlockOf4Bits && k < count; k += 8) {
      Words words = load_words(block + 2 * kLanes + k * 2 * 4);
      for (std::int64_t i = k; i < k + 8 && i < count; ++i, to += kLanes) {
        store(multiply(scale, take_4_bits(words)), to);
      }
    }
  }
}

void widen_panel(Held held, const std::byte* from, std::int64_t count, float* to) {
  switch (held) {
    case Held::f32:
      return widen_panel<float>(from, count, to);
    case Held::f16:
      return widen_panel<Half>(from, count, to);
    case Held::bf16:
      return widen_panel<BFloat16>(from, count, to);
    case Held::w8:
      return widen_panel<Int8>(from, count, to);
    case Held::w4:
      return widen_panel_of_4_bits(from, count, to);
    case Held::rows:
      break;  // see panel_turn.h
  }
}

}  // namespace
}  // namespace instructblip::kernels::cpu
