#include "kernels/cpu/resample.h"

#include <algorithm>
#include <vector>

#include "kernels/cpu/resample_lines.h"

namespace instructblip::kernels::cpu {
namespace {

// Multiplications below which another thread costs more than it saves.
constexpr std::int64_t kWorthAThread = 1 << 18;

std::int64_t grain_of(std::int64_t work) {
  return std::max<std::int64_t>(1, kWorthAThread / std::max<std::int64_t>(1, work));
}

// The weights, regrouped for the horizontal axis.
struct SplitWeights {
  int taps;
  std::vector<std::int16_t> high, low;  // [outputs, taps]

  SplitWeights(const ResampleProblem& p, const std::int32_t* weights)
      : taps((p.taps + kTapGroup - 1) / kTapGroup * kTapGroup),
        high(static_cast<std::size_t>(p.outputs) * static_cast<std::size_t>(taps)),
        low(high.size()) {
    for (std::size_t i = 0; i < static_cast<std::size_t>(p.outputs); ++i) {
      for (std::size_t t = 0; t < static_cast<std::size_t>(p.taps); ++t) {
        const std::int32_t w = weights[i * static_cast<std::size_t>(p.taps) + t];
        const std::size_t at = i * static_cast<std::size_t>(taps) + t;
        high[at] = static_cast<std::int16_t>(w >> kSplit);
        low[at] = static_cast<std::int16_t>(w & ((1 << kSplit) - 1));
      }
    }
  }
};

template <RunRow run_row>
void horizontally(const ResampleProblem& p, const ResampleBuffers& b, Queue& queue) {
  const SplitWeights weights(p, b.weights);
  const std::ptrdiff_t plane = p.width + weights.taps;
  const std::int64_t work = std::int64_t{3} * p.outputs * weights.taps;
  queue.run(p.height, grain_of(work), [&](std::int64_t first, std::int64_t last) {
    std::vector<std::int16_t> planes(3 * static_cast<std::size_t>(plane));
    for (std::int64_t y = first; y < last; ++y) {
      run_row({.in = b.in + y * b.stride,
               .width = p.width,
               .planes = planes.data(),
               .plane = plane,
               .outputs = p.outputs,
               .taps = weights.taps,
               .precision = p.precision,
               .first = b.first,
               .high = weights.high.data(),
               .low = weights.low.data(),
               .out = b.out + y * 3 * p.outputs});
    }
  });
}

template <RunSum run_sum>
void vertically(const ResampleProblem& p, const ResampleBuffers& b, Queue& queue) {
  const int size = 3 * p.width;
  const std::int64_t work = std::int64_t{size} * p.taps;
  queue.run(p.outputs, grain_of(work), [&](std::int64_t first, std::int64_t last) {
    std::vector<const std::uint8_t*> rows(static_cast<std::size_t>(p.taps));
    for (std::int64_t i = first; i < last; ++i) {
      const int count = b.count[i];
      for (int t = 0; t < count; ++t) {
        rows[static_cast<std::size_t>(t)] = b.in + (b.first[i] + t) * b.stride;
      }
      run_sum({.rows = rows.data(),
               .weights = b.weights + i * p.taps,
               .count = count,
               .precision = p.precision,
               .size = size,
               .out = b.out + i * size});
    }
  });
}

template <RunRow run_row, RunSum run_sum>
void run(const ResampleProblem& p, const ResampleBuffers& b, Queue& queue) {
  if (p.axis == ResampleProblem::Axis::horizontal) {
    horizontally<run_row>(p, b, queue);
  } else {
    vertically<run_sum>(p, b, queue);
  }
}

}  // namespace

#if INSTRUCTBLIP_KERNELS_X86
void resample_avx2(const ResampleProblem& problem, const ResampleBuffers& buffers, Queue& queue) {
  run<resample_row_avx2, sum_rows_avx2>(problem, buffers, queue);
}
#endif
void resample_portable(const ResampleProblem& problem, const ResampleBuffers& buffers,
                       Queue& queue) {
  run<resample_row_portable, sum_rows_portable>(problem, buffers, queue);
}

}  // namespace instructblip::kernels::cpu
