// From a picture to the bytes that the vision encoder is shown, and to pixel_values, equal to the
// bit with the reference's image processors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "config/image_config.h"
#include "image/resize.h"
#include "instructblip/image.h"
#include "kernels/pixel_values.h"
#include "kernels/queue.h"

namespace instructblip {

// Immutable: run() may be called from any number of threads at once.
class ImageProcessor {
 public:
  // Throws Error(bad_model) for settings that cannot be run: sizes outside [1, limits::kImageSide],
  // a deviation of zero, a filter that is not bicubic. ResizeMode::automatic does as the settings
  // have it.
  ImageProcessor(const ImageConfig& config, ResizeMode mode);

  // Padded, resized and cropped, as the settings say: [T, height(), width(), 3], row-major, with
  // zeros where a picture that is smaller than that has a margin. T is 1, or where there are tiles
  // one more than there are of them: the whole picture, then its tiles row by row. The work is
  // shared out by `queue`. Throws Error(invalid_argument) for an empty image, and Error(bad_image)
  // for one that these steps do not bring to that size or whose sides differ too much.
  std::vector<std::uint8_t> bytes(const Image& image, kernels::Queue& queue) const;
  // What a byte becomes: rescaled and normalised, finite.
  const kernels::PixelTable& values() const { return values_; }
  // The values of bytes() at once, by this thread: planar [T, 3, height(), width()].
  std::vector<float> run(const Image& image) const;

  // As the reference takes it, which decides about the tiles. Throws Error(invalid_argument) for an
  // empty image.
  PictureSize size_of(const Image& image) const;

  // The part of a picture that run() shows, in its pixels: less than all of it where it is cropped,
  // more where it gets a margin. Where there are tiles, the part of the whole picture.
  struct Part {
    double left, top, width, height;
  };
  Part shown_part(const Image& image) const;

  // Which of a video's frames are looked at, in order. Throws Error(invalid_argument) where the
  // settings pick out more than there are.
  std::vector<std::size_t> picked(std::size_t frames) const;

  ResizeMode mode() const { return mode_; }  // that took effect: never automatic
  std::int64_t height() const { return config_.height; }
  std::int64_t width() const { return config_.width; }

 private:
  // The bytes of a window of what is resized to these sides, or left as it is.
  using Cut = std::function<std::vector<std::uint8_t>(const Sides&, const PixelWindow&)>;

  Sides resized_size(const Sides& from) const;
  Image as_read(const Image& image) const;
  // The pictures that one becomes where there are tiles.
  std::vector<Image> views_of(const Image& source, kernels::Queue& queue) const;
  // Appends [height(), width(), 3] of a source, or of a view of it, to `out`.
  void append(const Image& view, kernels::Queue& queue, std::vector<std::uint8_t>& out) const;
  // The same of a source in a square of the mean's colour.
  void append_padded(const Image& source, kernels::Queue& queue,
                     std::vector<std::uint8_t>& out) const;
  void append(const Sides& from, const Cut& cut, std::vector<std::uint8_t>& out) const;

  ImageConfig config_;
  ResizeMode mode_;
  kernels::PixelTable values_;  // worked out once
};

}  // namespace instructblip
