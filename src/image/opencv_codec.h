// The door to OpenCV's decoders: the one source file behind it includes and links them, and uses
// nothing else of this library, so that they can be loaded when a picture needs them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace instructblip {

// Top row first, as stored: nothing turned or converted.
struct OpenCvPicture {
  enum class Outcome { decoded, damaged, out_of_memory };

  Outcome outcome = Outcome::damaged;
  std::string fault{};  // OpenCV's words; empty where it gives no reason
  int width = 0;
  int height = 0;
  int channels = 0;                       // 3: B G R; 4: B G R A
  const std::uint8_t* samples = nullptr;  // [height, width, channels] of 8 bits
  std::size_t row_bytes = 0;              // from one row to the next
  std::shared_ptr<const void> owner{};    // of the samples
};

// Throws nothing.
OpenCvPicture decode_with_opencv(std::span<const std::uint8_t> bytes) noexcept;

}  // namespace instructblip
