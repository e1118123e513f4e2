// Four inks as three lights, in Pillow's integers; colour profiles play no part there.
#pragma once

#include <cstdint>

namespace instructblip {

// a * b / 255, rounded, as Pillow's MULDIV255.
inline int scaled(int a, int b) {
  const int product = a * b + 128;
  return ((product >> 8) + product) >> 8;
}

// `cmyk` is how much of each ink there is, 255 for all of it; `rgb` may be the same place.
inline void cmyk_to_rgb(const std::uint8_t* cmyk, std::uint8_t* rgb) {
  const int light = 255 - cmyk[3];
  for (int channel = 0; channel < 3; ++channel) {
    rgb[channel] = static_cast<std::uint8_t>(light - scaled(cmyk[channel], light));
  }
}

}  // namespace instructblip
