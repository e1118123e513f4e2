#include "image/python_random.h"

#include <algorithm>
#include <bit>
#include <numeric>
#include <set>

namespace instructblip {

// init_by_array() of the authors' mt19937ar.c, with the 32-bit words of the seed as its key.
PythonRandom::PythonRandom(std::uint64_t seed) {
  state_[0] = 19650218;
  for (std::size_t i = 1; i < kWords; ++i) {
    state_[i] =
        1812433253 * (state_[i - 1] ^ (state_[i - 1] >> 30)) + static_cast<std::uint32_t>(i);
  }
  const std::array<std::uint32_t, 2> key = {static_cast<std::uint32_t>(seed),
                                            static_cast<std::uint32_t>(seed >> 32)};
  const std::size_t length = key[1] == 0 ? 1 : 2;
  std::size_t i = 1;
  const auto mixed = [&](std::uint32_t factor) {
    return state_[i] ^ ((state_[i - 1] ^ (state_[i - 1] >> 30)) * factor);
  };
  const auto advance = [&] {
    if (++i < kWords) return;
    state_[0] = state_[kWords - 1];
    i = 1;
  };
  for (std::size_t k = 0; k < kWords; ++k) {
    const std::size_t j = k % length;
    state_[i] = mixed(1664525) + key[j] + static_cast<std::uint32_t>(j);
    advance();
  }
  for (std::size_t k = 1; k < kWords; ++k) {
    state_[i] = mixed(1566083941) - static_cast<std::uint32_t>(i);
    advance();
  }
  state_[0] = 0x80000000;
}

std::uint32_t PythonRandom::word() {
  constexpr std::size_t kShift = 397;
  if (next_ == kWords) {
    for (std::size_t i = 0; i < kWords; ++i) {
      const std::uint32_t y = (state_[i] & 0x80000000) | (state_[(i + 1) % kWords] & 0x7FFFFFFF);
      state_[i] = state_[(i + kShift) % kWords] ^ (y >> 1) ^ ((y & 1) != 0 ? 0x9908B0DF : 0);
    }
    next_ = 0;
  }
  std::uint32_t y = state_[next_++];
  y ^= y >> 11;
  y ^= (y << 7) & 0x9D2C5680;
  y ^= (y << 15) & 0xEFC60000;
  return y ^ (y >> 18);
}

// Random._randbelow(): bits are drawn until they are below.
std::int64_t PythonRandom::below(std::int64_t bound) {
  const int bits = std::bit_width(static_cast<std::uint32_t>(bound));
  std::int64_t drawn = bound;
  while (drawn >= bound) drawn = word() >> (32 - bits);
  return drawn;
}

std::vector<std::int64_t> PythonRandom::sample(std::int64_t population, std::int64_t count) {
  // Python keeps a list of what is left of a small population, and a set of what was drawn of a
  // large one: draws differ.
  std::int64_t small = 21;
  std::int64_t table = 1;
  while (table < 3 * count) table *= 4;
  if (count > 5) small += table;
  std::vector<std::int64_t> drawn;
  if (population <= small) {
    std::vector<std::int64_t> left(static_cast<std::size_t>(population));
    std::iota(left.begin(), left.end(), 0);
    for (std::int64_t i = 0; i < count; ++i) {
      std::int64_t& place = left[static_cast<std::size_t>(below(population - i))];
      drawn.push_back(place);
      place = left[static_cast<std::size_t>(population - i - 1)];
    }
    return drawn;
  }
  std::set<std::int64_t> taken;
  while (std::ssize(drawn) < count) {
    const std::int64_t place = below(population);
    if (taken.insert(place).second) drawn.push_back(place);
  }
  return drawn;
}

}  // namespace instructblip
