#include "kernels/pixel_values.h"

#include <algorithm>

namespace instructblip::kernels {

void look_up_pixels(const PixelTable& table, std::int64_t pictures, std::int64_t pixels,
                    const PixelBuffers& buffers, Queue& queue) {
  constexpr std::int64_t kRun = 4096;  // pixels of a task
  const std::int64_t runs = (pixels + kRun - 1) / kRun;
  queue.run(pictures * runs, 1, [&](std::int64_t first, std::int64_t last) {
    for (; first < last; ++first) {
      const std::int64_t picture = first / runs, begin = first % runs * kRun;
      const std::int64_t end = std::min(pixels, begin + kRun);
      const std::uint8_t* const in = buffers.in + picture * pixels * 3;
      for (std::int64_t channel = 0; channel < 3; ++channel) {
        const std::array<float, 256>& value = table[static_cast<std::size_t>(channel)];
        float* const out = buffers.out + (picture * 3 + channel) * pixels;
        for (std::int64_t i = begin; i < end; ++i) out[i] = value[in[3 * i + channel]];
      }
    }
  });
}

}  // namespace instructblip::kernels
