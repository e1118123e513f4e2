/// Pictures: 8-bit RGB, from a file, from encoded bytes or from memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "instructblip/error.h"
#include "instructblip/export.h"

namespace instructblip {

/// Whose bicubic filter the pixels are equal to, bit for bit. The three differ by one grey level on
/// photographs and by more on noise.
enum class ResizeMode {
  automatic,    ///< what transformers 4.57.3 does with the checkpoint: torchvision for videos and
                ///< where LLaVA's settings name a "Fast" image processor, else pillow13
  pillow13,     ///< Pillow 13: the vertical pass comes first where much more height than width goes
  pillow12,     ///< Pillow 12 and older: always the horizontal pass first
  torchvision,  ///< torchvision on uint8 tensors, and its fused rescaling and normalising
};

/// What to do with the EXIF orientation of a file.
enum class ExifOrientation {
  apply,   ///< turn the picture upright, as transformers does with a path
  ignore,  ///< take the pixels as they are stored
};

/// What stands behind transparent pixels.
enum class AlphaBackground {
  drop,   ///< alpha is ignored and hidden colours show, as in transformers 4
  white,  ///< composed on white, as in transformers 5
};

/// How an encoded picture is read. The limits refuse what is larger before memory is taken for it:
/// the encoded bytes, and 3 to 9 bytes for each pixel while it is decoded (JPEG 2000: up to 64), 3
/// afterwards.
struct ImageOptions {
  ExifOrientation exif = ExifOrientation::apply;
  AlphaBackground background = AlphaBackground::drop;
  std::int64_t max_pixels = 178'956'970;  ///< width times height; the default is Pillow's
  std::int64_t max_side = 1 << 20;        ///< width and height; at most 2^24
  std::int64_t max_bytes = 640 << 20;     ///< encoded
};

/// A picture: 8-bit RGB, three bytes a pixel, top row first.
///
/// A cheap handle: copies share the pixels, which never change.
/// Threads: every function may be called from any thread at once.
/// Errors:  only instructblip::Error leaves this class.
class INSTRUCTBLIP_API Image {
 public:
  /// No picture: 0 x 0. The pipeline refuses it.
  Image() = default;

  /// Reads a JPEG, PNG, GIF, WebP, BMP, TIFF, JPEG 2000 or PNM file, told by content, not by name.
  /// The first frame of an animation. Errors: not_found; unsupported (another type, or a variant
  /// that is not read; a build without codecs); bad_image (damaged, cut short or over a limit: a
  /// picture is decoded whole or not at all); out_of_memory; invalid_argument (a limit below 1, or
  /// a side above 2^24).
  static Image open(const std::filesystem::path& file, const ImageOptions& options = {});

  /// The same from memory; `bytes` are not needed afterwards. Messages call them `name`.
  static Image decode(std::span<const std::byte> bytes, const ImageOptions& options = {},
                      std::string_view name = "the image");

  /// Looks at the head of a file without decoding it, most often at 64 KB: throws what open() would
  /// as far as that shows (a file that is not there, of another type or over a limit). A picture
  /// that passes may still turn out to be damaged.
  static void check(const std::filesystem::path& file, const ImageOptions& options = {});

  /// Borrows pixels: `rgb` must outlive the image and all its copies, and must not change.
  /// @param rgb         first byte of the top row; R, G, B
  /// @param width       pixels, 1 to 2^24; as `height`
  /// @param row_stride  bytes from one row to the next, at least 3 * width; 0 = no padding
  /// Errors: invalid_argument.
  static Image view(const std::uint8_t* rgb, int width, int height, std::ptrdiff_t row_stride = 0);

  /// As view(), but keeps a copy of the pixels. Errors: invalid_argument, out_of_memory.
  static Image copy_of(const std::uint8_t* rgb, int width, int height,
                       std::ptrdiff_t row_stride = 0);

  /// Takes over `rgb`, which holds 3 * width * height bytes. Errors: invalid_argument,
  /// out_of_memory.
  static Image adopt(std::vector<std::uint8_t> rgb, int width, int height);

  int width() const noexcept { return width_; }    ///< pixels
  int height() const noexcept { return height_; }  ///< pixels
  bool empty() const noexcept { return width_ == 0; }
  std::ptrdiff_t stride() const noexcept { return stride_; }  ///< bytes from row to row

  /// The 3 * width() bytes of row `y`, 0 <= y < height().
  const std::uint8_t* row(int y) const noexcept { return pixels_.get() + y * stride_; }

 private:
  Image(std::shared_ptr<const std::uint8_t> pixels, int width, int height, std::ptrdiff_t stride)
      : pixels_(std::move(pixels)), stride_(stride), width_(width), height_(height) {}

  std::shared_ptr<const std::uint8_t> pixels_;
  std::ptrdiff_t stride_ = 0;
  int width_ = 0;
  int height_ = 0;
};

}  // namespace instructblip
