// What the bytes of pictures become: rescaled and normalised, looked up in a table.
#pragma once

#include <array>
#include <cstdint>

#include "kernels/queue.h"

namespace instructblip::kernels {

// The value of each byte, channel by channel.
using PixelTable = std::array<std::array<float, 256>, 3>;

// P pixels of each picture
struct PixelBuffers {
  const std::uint8_t* in;  // [pictures, P, 3]
  float* out;              // [pictures, 3, P]
};

void look_up_pixels(const PixelTable& table, std::int64_t pictures, std::int64_t pixels,
                    const PixelBuffers& buffers, Queue& queue);

}  // namespace instructblip::kernels
