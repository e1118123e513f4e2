// Memory that a product needs while it runs.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace instructblip::kernels::cpu {

// Memory of floats without values, from a line of the cache on. A thread keeps what it had for the
// next product, unless that is large: the system clears what it hands out, which takes up to a
// tenth of the time of a product.
class Room {
 public:
  enum Use { rows, sums, weights, normalisers };  // those of a product that are needed at once

  Room(Use use, std::int64_t count) {
    constexpr std::size_t kMostKept = std::size_t{4} << 20;
    thread_local std::array<Memory, 4> kept;
    const auto size = static_cast<std::size_t>(count) + kLine / sizeof(float);
    Memory& memory = size > kMostKept ? own_ : kept[use];
    if (size > memory.size) {
      memory = {};
      memory = {std::make_unique_for_overwrite<float[]>(size), size};
    }
    void* at = memory.at.get();
    std::size_t room = size * sizeof(float);
    at_ = static_cast<float*>(std::align(kLine, 1, at, room));
  }

  float* get() const { return at_; }

 private:
  static constexpr std::size_t kLine = 64;
  struct Memory {
    std::unique_ptr<float[]> at;
    std::size_t size = 0;
  };

  Memory own_;
  float* at_;
};

}  // namespace instructblip::kernels::cpu
