#include "image/padded_square.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string>

#include "core/limits.h"
#include "instructblip/error.h"

namespace instructblip {
namespace {

constexpr std::size_t kBytesOfPixel = 3;
constexpr int kBandRows = 32;

void fill(std::vector<std::uint8_t>& rgb, const std::array<std::uint8_t, 3>& color) {
  for (std::size_t i = 0; i < rgb.size(); ++i) rgb[i] = color[i % kBytesOfPixel];
}

}  // namespace

PaddedSquare::PaddedSquare(const Image& image, const std::array<std::uint8_t, 3>& color)
    : image_(image),
      color_(color),
      side_(std::max(image.height(), image.width())),
      top_((side_ - image.height()) / 2),
      left_((side_ - image.width()) / 2) {}

void PaddedSquare::fail_large() const {
  throw Error(ErrorCode::bad_image,
              "the image is " + std::to_string(image_.width()) + " x " +
                  std::to_string(image_.height()) +
                  ", which this checkpoint pads to a square of so many rows that resizing it takes "
                  "more than " +
                  std::to_string(limits::kPicturePixels) + " pixels",
              "make the picture smaller or less long");
}

Image PaddedSquare::band(PixelRange rows) const {
  const std::size_t row_bytes = kBytesOfPixel * static_cast<std::size_t>(side_);
  std::vector<std::uint8_t> rgb(row_bytes * static_cast<std::size_t>(rows.size()));
  fill(rgb, color_);
  for (int y = std::max(rows.begin, top_); y < std::min(rows.end, top_ + image_.height()); ++y) {
    std::memcpy(&rgb[static_cast<std::size_t>(y - rows.begin) * row_bytes +
                     kBytesOfPixel * static_cast<std::size_t>(left_)],
                image_.row(y - top_), kBytesOfPixel * static_cast<std::size_t>(image_.width()));
  }
  return Image::adopt(std::move(rgb), side_, rows.size());
}

std::vector<std::uint8_t> PaddedSquare::part(const PixelWindow& window) const {
  std::vector<std::uint8_t> rgb;
  for (int y = window.rows.begin; y < window.rows.end; ++y) {
    const Image row = band({y, y + 1});
    rgb.insert(rgb.end(), row.row(0) + 3 * window.columns.begin,
               row.row(0) + 3 * window.columns.end);
  }
  return rgb;
}

std::vector<std::uint8_t> PaddedSquare::resized(int height, int width, const ResizeBy& by,
                                                const PixelWindow& window) const {
  const std::int64_t side = side_;
  if (vertical_pass_first({side_, side_}, {height, width}, by.mode)) {
    if (side * side > limits::kPicturePixels) fail_large();
    return resize_bicubic(band({0, side_}), height, width, by, window);
  }

  // The horizontal pass, band by band: [side, columns, 3]. Rows of margin all become the same.
  const int columns = window.columns.size();
  if (side * columns > limits::kPicturePixels) fail_large();
  const std::size_t row_bytes = kBytesOfPixel * static_cast<std::size_t>(columns);
  std::vector<std::uint8_t> rows(row_bytes * static_cast<std::size_t>(side_));
  const auto narrow = [&](PixelRange range) {
    return resize_bicubic(band(range), range.size(), width, by,
                          {{0, range.size()}, window.columns});
  };
  if (image_.height() < side_) {
    const std::vector<std::uint8_t> margin = narrow({side_ - 1, side_});
    for (std::size_t y = 0; y < static_cast<std::size_t>(side_); ++y) {
      std::memcpy(&rows[y * row_bytes], margin.data(), row_bytes);
    }
  }
  const int last = top_ + image_.height();
  for (int y = top_; y < last; y += kBandRows) {
    const std::vector<std::uint8_t> done = narrow({y, std::min(y + kBandRows, last)});
    std::memcpy(&rows[static_cast<std::size_t>(y) * row_bytes], done.data(), done.size());
  }
  const Image between = Image::adopt(std::move(rows), columns, side_);
  return resize_bicubic(between, height, columns, by, {window.rows, {0, columns}});
}

}  // namespace instructblip
