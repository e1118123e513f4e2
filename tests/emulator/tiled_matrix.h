// Weights for tests of kernels that read them in tiles.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "emulator/half_numbers.h"
#include "kernels/cuda/weight_tiles.h"

namespace instructblip::kernels::cuda {

template <class T>
constexpr bool kHalf = std::is_same_v<T, dev::Half>;
template <class T>
constexpr Format kOwnFormat = kHalf<T> ? Format::f16 : Format::bf16;

// A matrix as it is packed for the CPU, and its elements.
template <class T>
struct Matrix {
  Format format;
  std::int32_t outputs, inputs;
  std::vector<std::byte> panels;
  std::vector<float> elements;  // [outputs, inputs]

  Matrix(Format f, std::int32_t rows, std::int32_t columns, std::uint32_t seed)
      : format(f), outputs(rows), inputs(columns) {
    const std::vector<float> wide = numbers(std::int64_t{rows} * columns, seed);
    const std::vector<T> narrow = emulator::narrowed<T>(wide);
    const bool as_is = format == kOwnFormat<T>;
    const auto size = static_cast<std::size_t>(columns);
    elements.resize(wide.size());
    for (std::int64_t row = 0; row < rows; row += kRowsOfPanel) {
      const std::size_t at = static_cast<std::size_t>(row) * size;
      const PanelSource source{
          as_is ? static_cast<const void*>(narrow.data() + at) : wide.data() + at,
          std::min<std::int64_t>(kRowsOfPanel, rows - row), columns};
      const std::size_t begin = panels.size();
      panels.resize(begin + bytes_of_panel(format, columns));
      pack_panel(format, source, panels.data() + begin);
      for (std::int64_t r = 0; r < source.rows; ++r) {
        unpack_row(format, panels.data() + begin, r, columns,
                   elements.data() + at + static_cast<std::size_t>(r) * size);
      }
    }
  }

  HalfPanel half(std::int64_t number) const {
    if (number * 8 >= outputs) return {nullptr, 0};
    return half_panel(format, panels.data(), inputs, number);
  }
};

// Tiles at a multiple of 128 bytes.
class Tiles {
 public:
  Tiles(Format format, std::int32_t inputs) : format_(format), inputs_(inputs) {}
  void add(const HalfPanel& upper, const HalfPanel& lower) {
    bytes_.resize(bytes_.size() + bytes_of_tile(format_, inputs_) / sizeof(Line));
    auto* all = reinterpret_cast<std::byte*>(bytes_.data());
    pack_tile(format_, inputs_, upper, lower,
              all + bytes_.size() * sizeof(Line) - bytes_of_tile(format_, inputs_));
  }
  const void* data() const { return bytes_.data(); }

 private:
  struct alignas(128) Line {
    std::byte bytes[128];
  };
  Format format_;
  std::int32_t inputs_;
  std::vector<Line> bytes_;
};

// The elements of matrices as they lie, in T, one matrix behind the other.
template <class T>
inline std::vector<T> rows_of(const Matrix<T>& first, const Matrix<T>* second = nullptr) {
  std::vector<T> rows = emulator::narrowed<T>(first.elements);
  if (second != nullptr) {
    const std::vector<T> more = emulator::narrowed<T>(second->elements);
    rows.insert(rows.end(), more.begin(), more.end());
  }
  return rows;
}

template <class T>
inline Tiles plain_tiles(const Matrix<T>& w) {
  Tiles tiles(w.format, w.inputs);
  for (std::int64_t i = 0; i * kRowsOfTile < w.outputs; ++i) {
    tiles.add(w.half(plain_halves(i).upper), w.half(plain_halves(i).lower));
  }
  return tiles;
}

template <class T>
inline Tiles gated_tiles(const Matrix<T>& gate, const Matrix<T>& up) {
  Tiles tiles(gate.format, gate.inputs);
  for (std::int64_t i = 0; i * 8 < gate.outputs; ++i) {
    tiles.add(gate.half(gated_halves(i).upper), up.half(gated_halves(i).lower));
  }
  return tiles;
}

template <class T>
inline Tiles tiles_of_heads(const Matrix<T>& w, std::int64_t width) {
  Tiles tiles(w.format, w.inputs);
  for (std::int64_t i = 0; i * kRowsOfTile < w.outputs; ++i) {
    const Halves halves = halves_of_heads(i, width);
    tiles.add(w.half(halves.upper), w.half(halves.lower));
  }
  return tiles;
}

}  // namespace instructblip::kernels::cuda
