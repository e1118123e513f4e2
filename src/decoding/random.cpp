#include "decoding/random.h"

#include <chrono>
#include <exception>
#include <random>

namespace instructblip {

std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter,
                                    std::array<std::uint32_t, 2> key) {
  constexpr std::uint64_t kMultiplier0 = 0xD2511F53;
  constexpr std::uint64_t kMultiplier1 = 0xCD9E8D57;
  constexpr std::uint32_t kWeyl0 = 0x9E3779B9;
  constexpr std::uint32_t kWeyl1 = 0xBB67AE85;
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t product0 = kMultiplier0 * counter[0];
    const std::uint64_t product1 = kMultiplier1 * counter[2];
    counter = {static_cast<std::uint32_t>(product1 >> 32) ^ counter[1] ^ key[0],
               static_cast<std::uint32_t>(product1),
               static_cast<std::uint32_t>(product0 >> 32) ^ counter[3] ^ key[1],
               static_cast<std::uint32_t>(product0)};
    key[0] += kWeyl0;
    key[1] += kWeyl1;
  }
  return counter;
}

double Random::uniform(std::uint32_t row, std::uint32_t step, std::uint32_t draw) const {
  const auto words = philox({row, step, draw, 0}, key_);
  const std::uint64_t bits = (static_cast<std::uint64_t>(words[0]) << 32 | words[1]) >> 11;
  return static_cast<double>(bits) * 0x1p-53;
}

std::uint64_t random_seed() {
  try {
    std::random_device device;
    return static_cast<std::uint64_t>(device()) << 32 | device();
  } catch (const std::exception&) {  // no entropy source: differing between calls is enough
    const auto now = std::chrono::steady_clock::now().time_since_epoch().count();
    const auto words =
        philox({static_cast<std::uint32_t>(now), static_cast<std::uint32_t>(now >> 32), 0, 0}, {});
    return static_cast<std::uint64_t>(words[0]) << 32 | words[1];
  }
}

}  // namespace instructblip
