// A picture in the middle of a square of one colour, without holding the square: of a long strip
// nearly all of it is margin.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "image/resize.h"
#include "instructblip/image.h"

namespace instructblip {

class PaddedSquare {
 public:
  // Borrows the picture, which is not empty. An odd margin has its larger half below and on the
  // right.
  PaddedSquare(const Image& image, const std::array<std::uint8_t, 3>& color);

  int side() const { return side_; }

  // The bytes that resize_bicubic() makes of the square. Throws Error(bad_image) where what lies
  // between its passes is more than limits::kPicturePixels.
  std::vector<std::uint8_t> resized(int height, int width, const ResizeBy& by,
                                    const PixelWindow& window) const;
  // A part of the square as it is, without padding between rows.
  std::vector<std::uint8_t> part(const PixelWindow& window) const;

 private:
  // Whole rows, from `begin` to `end`.
  Image band(PixelRange rows) const;
  [[noreturn]] void fail_large() const;

  const Image& image_;
  std::array<std::uint8_t, 3> color_;
  int side_, top_, left_;
};

}  // namespace instructblip
