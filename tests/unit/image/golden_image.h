// What the image tests share with tests/golden/image/make_image_goldens.py.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>
#include <sstream>
#include <string>
#include <vector>

#include "instructblip/image.h"

namespace instructblip::golden {

inline std::filesystem::path folder() {
  return std::filesystem::path(INSTRUCTBLIP_SOURCE_DIR) / "tests/golden/image";
}

inline std::filesystem::path photographs() {
  return std::filesystem::path(INSTRUCTBLIP_SOURCE_DIR) / "tests/data/images";
}

inline std::string read_all(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

// The words of every line but comments.
inline std::vector<std::vector<std::string>> read_table(const std::string& name) {
  std::ifstream stream(folder() / name);
  std::vector<std::vector<std::string>> rows;
  for (std::string line; std::getline(stream, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream words(line);
    rows.emplace_back(std::istream_iterator<std::string>(words),
                      std::istream_iterator<std::string>());
  }
  return rows;
}

class Crc32 {
 public:
  void add(const void* data, std::size_t size) {
    const auto* bytes = static_cast<const std::uint8_t*>(data);
    for (std::size_t i = 0; i < size; ++i) {
      state_ ^= bytes[i];
      for (int bit = 0; bit < 8; ++bit) {
        state_ = state_ >> 1 ^ (state_ & 1 ? 0xEDB88320U : 0U);
      }
    }
  }
  std::string text() const {
    constexpr char digits[] = "0123456789abcdef";
    std::string out;
    for (int shift = 28; shift >= 0; shift -= 4) out += digits[(~state_ >> shift) & 15];
    return out;
  }

 private:
  std::uint32_t state_ = ~0U;
};

inline std::string crc(const Image& image) {
  Crc32 sum;
  for (int y = 0; y < image.height(); ++y) {
    sum.add(image.row(y), 3 * static_cast<std::size_t>(image.width()));
  }
  return sum.text();
}

template <class T>
std::string crc(const std::vector<T>& values) {
  Crc32 sum;
  sum.add(values.data(), values.size() * sizeof(T));
  return sum.text();
}

inline std::vector<std::uint8_t> noise_bytes(int width, int height, std::uint32_t seed) {
  std::vector<std::uint8_t> bytes(3 * static_cast<std::size_t>(width) *
                                  static_cast<std::size_t>(height));
  for (auto& byte : bytes) {
    seed = seed * 1664525U + 1013904223U;
    byte = static_cast<std::uint8_t>(seed >> 16);
  }
  return bytes;
}

inline Image noise(int width, int height, std::uint32_t seed) {
  return Image::adopt(noise_bytes(width, height, seed), width, height);
}

}  // namespace instructblip::golden
