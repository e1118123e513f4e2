// The arithmetic of mma.sync.m16n8k16, compiled without sanitizers and optimised: tests spend most
// of their time here.
#include <bit>
#include <cstdint>
#include <vector>

#include "kernels/cuda/emulator/numbers.h"
#include "kernels/cuda/emulator/primitives.h"

namespace instructblip::emulator {
namespace {

// Written out: clang 14 has no _Float16 for processors without its instructions.
float half_value(std::uint32_t bits) {
  const std::uint32_t sign = (bits & 0x8000) << 16, magnitude = (bits & 0x7fff) << 13;
  if (magnitude >= 0x0f800000) return std::bit_cast<float>(sign | magnitude | 0x7f800000);
  return std::bit_cast<float>(
      sign | std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) * 0x1p112f));
}

const float* half_table() {
  static const std::vector<float> table = [] {
    std::vector<float> all(65536);
    for (std::uint32_t i = 0; i < all.size(); ++i) {
      all[i] = half_value(i);
    }
    return all;
  }();
  return table.data();
}

struct Widen {
  const float* table;  // null: bfloat16
  float operator()(std::uint32_t bits) const {
    return table == nullptr ? std::bit_cast<float>(bits << 16) : table[bits & 0xffff];
  }
};

}  // namespace

float from_half(std::uint16_t bits) { return half_table()[bits]; }

std::uint16_t to_half(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
  std::uint32_t half = 0;
  if (magnitude > 0x7f800000) {
    half = 0x7e00 | (magnitude >> 13 & 0x3ff);  // a number that is none stays none
  } else if (magnitude >= 0x477ff000) {
    half = 0x7c00;                      // from 65,520 on
  } else if (magnitude < 0x38800000) {  // below 2^-14: in steps of 2^-24, which are those of 0.5
    half = std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) + 0.5F) - 0x3f000000;
  } else {
    half = (magnitude + 0xfff + (magnitude >> 13 & 1) - 0x38000000) >> 13;
  }
  return static_cast<std::uint16_t>(sign | half);
}

float from_bfloat(std::uint16_t bits) { return std::bit_cast<float>(std::uint32_t{bits} << 16); }

std::uint16_t to_bfloat(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if (value != value) return static_cast<std::uint16_t>(bits >> 16 | 0x40);
  return static_cast<std::uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

void multiply_all(void* const* products) {
  const Widen widen{static_cast<const Product*>(products[0])->bfloat ? nullptr : half_table()};
  float a[16][16], b[16][8], c[16][8];
  for (std::uint32_t lane = 0; lane < 32; ++lane) {
    const auto& p = *static_cast<const Product*>(products[lane]);
    const std::uint32_t group = lane / 4, two = lane % 4 * 2;
    for (std::uint32_t i = 0; i < 4; ++i) {
      const std::uint32_t row = group + i % 2 * 8, column = two + i / 2 * 8;
      a[row][column] = widen(p.a[i]);
      a[row][column + 1] = widen(p.a[i] >> 16);
      c[group + i / 2 * 8][two + i % 2] = p.c[i];
    }
    for (std::uint32_t i = 0; i < 2; ++i) {
      b[two + i * 8][group] = widen(p.b[i]);
      b[two + i * 8 + 1][group] = widen(p.b[i] >> 16);
    }
  }
  for (auto& row : c) {
    const auto& left = a[&row - c];
    for (std::uint32_t k = 0; k < 16; ++k) {
      for (std::uint32_t n = 0; n < 8; ++n) row[n] += left[k] * b[k][n];
    }
  }
  for (std::uint32_t lane = 0; lane < 32; ++lane) {
    const auto& p = *static_cast<const Product*>(products[lane]);
    for (std::uint32_t i = 0; i < 4; ++i) p.c[i] = c[lane / 4 + i / 2 * 8][lane % 4 * 2 + i % 2];
  }
}

}  // namespace instructblip::emulator
