#include "kernels/cpu/resample.h"

#include <algorithm>
#include <vector>

#include "kernels/cpu/resample_lines.h"

namespace instructblip::kernels::cpu {
namespace {

// Multiplications below which another thread costs more than it saves.
constexpr std::int64_t kWorthAThread = 1 << 18;

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
  queue.run(p.height, grain_of(work, kWorthAThread), [&](std::int64_t first, std::int64_t last) {
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
  queue.run(p.outputs, grain_of(work, kWorthAThread), [&](std::int64_t first, std::int64_t last) {
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

// The same for rows that are worked out together: weights of two neighbouring pixels in a word.
struct PairedWeights {
  int pairs;
  std::vector<std::int32_t> first, count;  // [outputs], pairs of pixels
  std::vector<std::int32_t> words;         // [outputs, pairs, 2]

  PairedWeights(const ResampleProblem& p, const ResampleBuffers& b)
      : pairs(p.taps / 2 + 1), words(static_cast<std::size_t>(p.outputs) * 2 * room()) {
    for (std::int32_t i = 0; i < p.outputs; ++i) {
      first.push_back(b.first[i] / 2);
      count.push_back((b.first[i] + b.count[i] - 1) / 2 - first.back() + 1);
      for (std::int32_t t = 0; t < b.count[i]; ++t) {
        const std::int32_t w = b.weights[std::ptrdiff_t{i} * p.taps + t];
        const std::int32_t place = b.first[i] % 2 + t;
        std::int32_t* const to =
            &words[(static_cast<std::size_t>(i) * room() + static_cast<std::size_t>(place / 2)) *
                   2];
        to[0] |= in_half(w >> kSplit, place % 2);
        to[1] |= in_half(w & ((1 << kSplit) - 1), place % 2);
      }
    }
  }

 private:
  std::size_t room() const { return static_cast<std::size_t>(pairs); }
  static std::int32_t in_half(std::int32_t value, std::int32_t half) {
    return static_cast<std::int32_t>((static_cast<std::uint32_t>(value) & 0xffffU) << (16 * half));
  }
};

// Words for pairs of pixels, where vectors of 32 bytes may be loaded.
class Words {
 public:
  explicit Words(std::size_t count) : words_(count + 8) {}
  std::int32_t* data() {
    constexpr std::uintptr_t kAligned = 32;
    const auto at = reinterpret_cast<std::uintptr_t>(words_.data());
    return words_.data() + (kAligned - at % kAligned) % kAligned / sizeof(std::int32_t);
  }

 private:
  std::vector<std::int32_t> words_;
};

template <RunRows run_rows>
void horizontally_together(const ResampleProblem& p, const ResampleBuffers& b, Queue& queue) {
  const PairedWeights weights(p, b);
  const std::int64_t blocks = (p.height + kRowsTogether - 1) / kRowsTogether;
  const std::int64_t work = std::int64_t{6} * kRowsTogether * p.outputs * weights.pairs;
  queue.run(blocks, grain_of(work, kWorthAThread), [&](std::int64_t first, std::int64_t last) {
    Words words(std::size_t{3} * kRowsTogether * static_cast<std::size_t>((p.width + 1) / 2));
    RowsToResample rows{.rows = {},
                        .width = p.width,
                        .words = words.data(),
                        .outputs = p.outputs,
                        .pairs = weights.pairs,
                        .precision = p.precision,
                        .first = weights.first.data(),
                        .count = weights.count.data(),
                        .weights = weights.words.data(),
                        .stored = 0,
                        .out = {}};
    for (std::int64_t block = first; block < last; ++block) {
      const std::int64_t top = block * kRowsTogether;
      rows.stored = static_cast<int>(std::min<std::int64_t>(kRowsTogether, p.height - top));
      for (int i = 0; i < kRowsTogether; ++i) {
        const std::int64_t y = top + std::min(i, rows.stored - 1);
        rows.rows[i] = b.in + y * b.stride;
        rows.out[i] = b.out + y * 3 * p.outputs;
      }
      run_rows(rows);
    }
  });
}

}  // namespace

#if INSTRUCTBLIP_KERNELS_X86
void resample_avx2(const ResampleProblem& problem, const ResampleBuffers& buffers, Queue& queue) {
  if (problem.axis == ResampleProblem::Axis::horizontal) {
    horizontally_together<resample_rows_avx2>(problem, buffers, queue);
  } else {
    vertically<sum_rows_avx2>(problem, buffers, queue);
  }
}
#endif
void resample_portable(const ResampleProblem& problem, const ResampleBuffers& buffers,
                       Queue& queue) {
  if (problem.axis == ResampleProblem::Axis::horizontal) {
    horizontally<resample_row_portable>(problem, buffers, queue);
  } else {
    vertically<sum_rows_portable>(problem, buffers, queue);
  }
}

}  // namespace instructblip::kernels::cpu
