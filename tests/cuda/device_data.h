// Where data of kernels lie, and weights for them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <list>
#include <ostream>
#include <vector>

#include "cuda/device_memory.h"
#include "kernels/cuda/tiled_product.h"
#include "kernels/cuda/weight_tiles.h"

namespace instructblip::kernels::cuda {

using Bytes = std::vector<std::byte>;
using Layout = TiledProductProblem::Layout;

enum class Place { device, mapped };

// Bytes in a place; those of vectors are mapped (mapped_memory.h).
class Memory {
 public:
  explicit Memory(Place place) : place_(place) {}
  ~Memory() {
    for (void* block : blocks_) test::give_back_device_memory(block);
  }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  std::byte* blank(std::size_t bytes) {
    if (place_ == Place::mapped) return vectors_.emplace_back(bytes, std::byte{0x7d}).data();
    void* block = test::take_device_memory(bytes);
    blocks_.push_back(block);
    test::fill_device_memory(block, 0x7d, bytes);
    return static_cast<std::byte*>(block);
  }
  template <class T>
  T* put(const std::vector<T>& values) {
    const std::size_t bytes = values.size() * sizeof(T);
    std::byte* block = blank(bytes);
    test::copy_memory(block, values.data(), bytes);
    return reinterpret_cast<T*>(block);
  }

 private:
  Place place_;
  std::list<Bytes> vectors_;
  std::vector<void*> blocks_;
};

// How weights are held.
struct Weights {
  Format format;
  Layout layout = Layout::tiles;
};
inline constexpr Weights kWeights[] = {
    {Format::f16}, {Format::f16, Layout::rows}, {Format::w8}, {Format::w4}};

inline std::ostream& operator<<(std::ostream& out, const Weights& weights) {
  return out << "format " << static_cast<int>(weights.format)
             << (weights.layout == Layout::rows ? " in rows" : "");
}

// Numbers of a size of 1/64, whatever the format; in rows they are as many.
inline Bytes random_tiles(Format format, std::int32_t inputs, std::int32_t tiles) {
  const std::size_t tile = bytes_of_tile(format, inputs);
  Bytes all(tile * static_cast<std::size_t>(tiles));
  std::uint64_t state = 0x9e3779b97f4a7c15u;
  for (std::size_t i = 0; i < all.size(); i += 8) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    const std::uint64_t eight =
        format == Format::f16 ? (state & 0x83ff83ff83ff83ffu) | 0x2400240024002400u : state;
    std::memcpy(all.data() + i, &eight, 8);
  }
  const auto fill = [&](std::size_t at, std::size_t count, const auto& value) {
    for (std::size_t i = 0; i < count; ++i) {
      std::memcpy(all.data() + at + i * sizeof(value), &value, sizeof(value));
    }
  };
  for (std::size_t at = 0; at < all.size(); at += tile) {
    if (format == Format::w8) fill(at, 16, 0x1p-13f);
    if (format != Format::w4) continue;
    for (std::size_t unit = at; unit < at + tile; unit += 1152) {
      fill(unit + 1024, 64, std::uint16_t{0x1800});  // 2^-9
    }
  }
  return all;
}

}  // namespace instructblip::kernels::cuda
