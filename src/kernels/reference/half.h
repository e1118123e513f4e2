// 16-bit floating-point formats, by their definition.
#pragma once

#include <cstdint>

namespace instructblip::kernels::reference {

// IEEE binary16: 1 bit sign, 5 bits exponent, 10 bits fraction.
float from_f16(std::uint16_t bits);
// The upper half of an IEEE binary32.
float from_bf16(std::uint16_t bits);

}  // namespace instructblip::kernels::reference
