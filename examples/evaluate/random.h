/// Random numbers that are the same everywhere: integers only, no library's distribution.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>

namespace world {

/// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014), started
/// from two numbers, so that any scene of any seed can be drawn without those before it.
class Random {
 public:
  Random(std::uint64_t seed, std::uint64_t stream) : state_(mix(mix(seed + kStep) + stream)) {}

  std::uint64_t next() { return mix(state_ += kStep); }

  /// Uniform in [0, count); count > 0.
  int below(std::size_t count) {
    return static_cast<int>(((next() >> 32) * static_cast<std::uint64_t>(count)) >> 32);
  }

  /// Uniform in [low, high].
  int between(int low, int high) { return low + below(static_cast<std::size_t>(high - low + 1)); }

  bool chance(int percent) { return below(100) < percent; }

  template <typename Container>
  const auto& pick(const Container& items) {
    return items[static_cast<std::size_t>(below(std::size(items)))];
  }

 private:
  static constexpr std::uint64_t kStep = 0x9E3779B97F4A7C15;

  static std::uint64_t mix(std::uint64_t z) {
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return z ^ (z >> 31);
  }

  std::uint64_t state_;
};

}  // namespace world
