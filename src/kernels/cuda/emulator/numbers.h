// 16-bit floating-point numbers, rounded to the nearest, to even when halfway.
#pragma once

#include <cstdint>

namespace instructblip::emulator {

float from_half(std::uint16_t bits);
std::uint16_t to_half(float value);
float from_bfloat(std::uint16_t bits);
std::uint16_t to_bfloat(float value);

}  // namespace instructblip::emulator
