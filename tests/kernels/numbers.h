// Numbers for tests of kernels, and how far off the results may be.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "kernels/queue.h"

namespace instructblip::kernels {

// The same everywhere: uniform in [-1, 1), with some zeros and a few large ones.
inline std::vector<float> numbers(std::int64_t count, std::uint32_t seed) {
  std::minstd_rand generator(seed + 1);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values) {
    const auto drawn = static_cast<std::uint32_t>(generator());
    value = static_cast<float>(drawn % 65536) / 32768.0f - 1.0f;
    if (drawn % 23 == 0) value = 0.0f;
    if (drawn % 41 == 0) value *= 8.0f;
  }
  return values;
}

// Half the distance between 1 and the next float: the relative error of one rounding.
constexpr double kRounding = 0x1p-24;

// The relative error of `count` roundings one after the other (Higham, Accuracy and Stability of
// Numerical Algorithms, lemma 3.1).
inline double roundings(std::int64_t count) {
  const double sum = static_cast<double>(count) * kRounding;
  return sum / (1.0 - sum);
}

// What underflow may cost a sum of `count` products.
inline double underflow(std::int64_t count) { return static_cast<double>(count + 1) * 0x1p-126; }

// Hands out ranges of tasks as no kernel should rely on: of uneven length, last ones first, each on
// a thread of its own.
class ScatteringQueue final : public Queue {
 public:
  void run(std::int64_t count, std::int64_t /*grain*/, Tasks tasks) override {
    std::vector<std::pair<std::int64_t, std::int64_t>> ranges;
    for (std::int64_t first = 0, length = 1; first < count;
         first += length, length = length % 3 + 1) {
      ranges.emplace_back(first, std::min(count, first + length));
    }
    std::reverse(ranges.begin(), ranges.end());
    for (std::size_t i = 0; i < ranges.size(); i += 2) {
      std::thread other([&] {
        if (i + 1 < ranges.size()) tasks(ranges[i + 1].first, ranges[i + 1].second);
      });
      tasks(ranges[i].first, ranges[i].second);
      other.join();
    }
  }
};

inline bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](float x, float y) {
    return std::bit_cast<std::uint32_t>(x) == std::bit_cast<std::uint32_t>(y);
  });
}

// GoogleTest's name of a case that is a kernel.
struct NameOfKernel {
  template <class Info>
  std::string operator()(const Info& info) const {
    return std::string(info.param.name);
  }
};

}  // namespace instructblip::kernels
