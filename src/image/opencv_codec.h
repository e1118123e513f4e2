// The door to OpenCV's decoders. Debian's bring 140 libraries with them, so that the one source
// file which uses them is a module of its own, loaded when a picture needs it.
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
  std::shared_ptr<const void> owner{};    // owner of the samples
};

// Opens the module at the first call. Throws Error as open_module().
OpenCvPicture decode_with_opencv(std::span<const std::uint8_t> bytes);

}  // namespace instructblip

// The module's one function.
extern "C" __attribute__((visibility("default"))) void instructblip_decode_with_opencv(
    const std::uint8_t* bytes, std::size_t count, instructblip::OpenCvPicture& picture) noexcept;
