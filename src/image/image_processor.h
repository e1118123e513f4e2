// From a picture to pixel_values, equal to the bit with the reference's image processors.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "checkpoint/image_config.h"
#include "instructblip/image.h"

namespace instructblip {

// Immutable: run() may be called from any number of threads at once.
class ImageProcessor {
 public:
  // Throws Error(bad_model) for settings that cannot be run: sizes outside [1, limits::kImageSide],
  // a deviation of zero, a filter that is not bicubic.
  ImageProcessor(const ImageConfig& config, ResizeMode mode);

  // Padded, resized, cropped, rescaled and normalised, as the settings say: planar
  // [T, 3, height(), width()], row-major, finite. T is 1, or where there are tiles one more than
  // there are of them: the whole picture, then its tiles row by row. Throws Error(invalid_argument)
  // for an empty image, and Error(bad_image) for one that these steps do not bring to that size or
  // whose sides differ too much.
  std::vector<float> run(const Image& image) const;

  // As the reference takes it, which decides about the tiles. Throws Error(invalid_argument) for an
  // empty image.
  PictureSize size_of(const Image& image) const;

  std::int64_t height() const { return config_.height; }
  std::int64_t width() const { return config_.width; }

 private:
  struct Size {
    int height, width;
  };
  Size resized_size(const Image& image) const;
  Image as_read(const Image& image) const;
  // The pictures that one becomes where there are tiles.
  std::vector<Image> views_of(const Image& source) const;
  // Of a source, or of a view of it: appends [3, height(), width()] to `out`.
  void append(const Image& view, std::vector<float>& out) const;

  ImageConfig config_;
  ResizeMode mode_;
  // What a byte becomes in each channel: rescaling and normalising, worked out once.
  std::array<std::array<float, 256>, 3> values_;
};

}  // namespace instructblip
