// Videos for tests, without a library: uncompressed AVI, whose frames come back as they were.
#pragma once

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

namespace instructblip::test {

// A frame: R G B, top row first; a row of colours that depend on place and number.
struct TestFrame {
  int width = 0, height = 0;
  std::vector<std::uint8_t> rgb;

  TestFrame(int of_width, int of_height, int number) : width(of_width), height(of_height) {
    for (int y = 0; y < height; ++y) {
      for (int x = 0; x < width; ++x) {
        for (const int value : {31 * number + 3 * x, 5 * y + 17 * number, 7 * (x + y) + number}) {
          rgb.push_back(static_cast<std::uint8_t>(value));
        }
      }
    }
  }

  // The frame as a picture of its own.
  void save_ppm(const std::string& file) const {
    std::ofstream stream(file, std::ios::binary);
    stream << "P6\n" << width << " " << height << "\n255\n";
    stream.write(reinterpret_cast<const char*>(rgb.data()), std::ssize(rgb));
  }
};

// The bytes of an AVI file (Microsoft, "AVI RIFF File Reference") of 24 bits a pixel, ten frames a
// second. `claimed`: what its head says of the number of frames; 0: the truth.
inline std::string avi_of(const std::vector<TestFrame>& frames, std::uint32_t claimed = 0) {
  const auto u32 = [](std::size_t value) {
    std::string out;
    for (int i = 0; i < 4; ++i) out += static_cast<char>(value >> (8 * i));
    return out;
  };
  const auto u16 = [&](std::size_t value) { return u32(value).substr(0, 2); };
  const auto chunk = [&](const std::string& name, const std::string& body) {
    return name + u32(body.size()) + body + std::string(body.size() % 2, '\0');
  };
  const TestFrame& first = frames.front();
  const auto width = static_cast<std::size_t>(first.width);
  const auto height = static_cast<std::size_t>(first.height);
  const std::size_t row = (3 * width + 3) / 4 * 4;
  const std::size_t count = claimed > 0 ? claimed : frames.size();
  const std::string head = u32(100'000) + u32(10 * row * height) + u32(0) + u32(0x10) + u32(count) +
                           u32(0) + u32(1) + u32(row * height) + u32(width) + u32(height) +
                           std::string(16, '\0');
  const std::string stream = "vidsDIB " + u32(0) + u32(0) + u32(0) + u32(1) + u32(10) + u32(0) +
                             u32(count) + u32(row * height) + u32(0) + u32(0) +
                             std::string(4, '\0') + u16(width) + u16(height);
  const std::string format = u32(40) + u32(width) + u32(height) + u16(1) + u16(24) + u32(0) +
                             u32(row * height) + std::string(16, '\0');
  std::string movie = "movi", index;
  for (const TestFrame& frame : frames) {
    std::string pixels(row * height, '\0');  // B G R, bottom row first
    for (std::size_t y = 0; y < height; ++y) {
      for (std::size_t i = 0; i < 3 * width; ++i) {
        pixels[(height - 1 - y) * row + i] =
            static_cast<char>(frame.rgb[3 * (y * width + i / 3) + 2 - i % 3]);
      }
    }
    index += "00db" + u32(0x10) + u32(movie.size()) + u32(pixels.size());
    movie += chunk("00db", pixels);
  }
  const std::string strl = chunk("LIST", "strl" + chunk("strh", stream) + chunk("strf", format));
  const std::string hdrl = chunk("LIST", "hdrl" + chunk("avih", head) + strl);
  return chunk("RIFF", "AVI " + hdrl + chunk("LIST", movie) + chunk("idx1", index));
}

inline std::vector<TestFrame> test_frames(int count, int width = 42, int height = 30) {
  std::vector<TestFrame> frames;
  for (int i = 0; i < count; ++i) frames.emplace_back(width, height, i);
  return frames;
}

}  // namespace instructblip::test
