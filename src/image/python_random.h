// The draws of Python's module `random`, behind a seed.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace instructblip {

// MT19937 (Matsumoto and Nishimura, 1998), seeded and read as CPython 3.2 and later do.
class PythonRandom {
 public:
  // random.seed(seed).
  explicit PythonRandom(std::uint64_t seed);

  // random.sample(range(population), count), in the order drawn; `population` is below 2^32 and at
  // least `count`.
  std::vector<std::int64_t> sample(std::int64_t population, std::int64_t count);

 private:
  static constexpr std::size_t kWords = 624;

  std::uint32_t word();
  std::int64_t below(std::int64_t bound);

  std::array<std::uint32_t, kWords> state_;
  std::size_t next_ = kWords;
};

}  // namespace instructblip
