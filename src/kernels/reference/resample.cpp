#include "kernels/reference/resample.h"

#include <algorithm>

namespace instructblip::kernels::reference {

void resample(const ResampleProblem& p, const ResampleBuffers& b, Queue& queue) {
  const bool horizontal = p.axis == ResampleProblem::Axis::horizontal;
  const std::int64_t rows = horizontal ? p.height : p.outputs;
  const std::int64_t columns = horizontal ? p.outputs : p.width;
  queue.run(rows * columns * 3, 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t byte = first; byte < last; ++byte) {
      const std::int64_t channel = byte % 3, x = byte / 3 % columns, y = byte / 3 / columns;
      const std::int64_t position = horizontal ? x : y;
      std::int64_t sum = 0;
      for (std::int64_t t = 0; t < b.count[position]; ++t) {
        const std::int64_t in_x = horizontal ? b.first[x] + t : x;
        const std::int64_t in_y = horizontal ? y : b.first[y] + t;
        sum += std::int64_t{b.weights[position * p.taps + t]} *
               b.in[in_y * b.stride + in_x * 3 + channel];
      }
      const std::int64_t half = std::int64_t{1} << p.precision >> 1;
      b.out[byte] =
          static_cast<std::uint8_t>(std::clamp<std::int64_t>((sum + half) >> p.precision, 0, 255));
    }
  });
}

}  // namespace instructblip::kernels::reference
