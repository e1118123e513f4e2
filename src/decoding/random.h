// Random numbers that depend on where they are used, not on what was drawn before.
#pragma once

#include <array>
#include <cstdint>

namespace instructblip {

// Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC11).
std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter,
                                    std::array<std::uint32_t, 2> key);

// The draws of one request: each is a function of the seed and its place alone, so a row's tokens
// do not depend on how many other rows there are.
class Random {
 public:
  explicit Random(std::uint64_t seed)
      : key_{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)} {}

  // In [0, 1), 53 random bits.
  double uniform(std::uint32_t row, std::uint32_t step, std::uint32_t draw = 0) const;

 private:
  std::array<std::uint32_t, 2> key_;
};

// A seed for requests that name none.
std::uint64_t random_seed();

}  // namespace instructblip
