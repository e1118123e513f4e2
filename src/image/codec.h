// From encoded bytes to 8-bit RGB: what Image::decode() does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "instructblip/image.h"

namespace instructblip {

// Rows without padding, top row first.
struct Pixels {
  int width = 0;
  int height = 0;
  int channels = 3;                           // 3: R G B; 4: R G B A, A not multiplied in
  std::unique_ptr<std::uint8_t[]> samples{};  // [height, width, channels]

  // Samples are not initialised.
  static Pixels of_size(int width, int height, int channels);
  std::size_t row_bytes() const {
    return static_cast<std::size_t>(width) * static_cast<std::size_t>(channels);
  }
  std::uint8_t* row(int y) { return samples.get() + static_cast<std::size_t>(y) * row_bytes(); }
  const std::uint8_t* row(int y) const {
    return samples.get() + static_cast<std::size_t>(y) * row_bytes();
  }
};

// Encoded bytes and the name that messages give them: a path, or "the image".
struct EncodedImage {
  std::span<const std::uint8_t> bytes;
  std::string name;

  [[noreturn]] void fail_bad(const std::string& what) const;
  // For what goes beyond a limit of ImageOptions: `found`, expected at most `limit`.
  [[noreturn]] void fail_limit(const std::string& found, const std::string& limit,
                               const std::string& option) const;
  [[noreturn]] void fail_unsupported(const std::string& what, const std::string& hint = {}) const;
};

// What decode_image() would refuse by the head of the picture. `image.bytes` may be its beginning:
// an Error then may be due to that.
void check_image(const EncodedImage& image, const ImageOptions& options);

// Three channels, upright, alpha dropped or composed. Throws Error: bad_image, unsupported.
Pixels decode_image(const EncodedImage& image, const ImageOptions& options);

}  // namespace instructblip
