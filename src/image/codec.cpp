#include "image/codec.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "core/errors.h"
#include "core/limits.h"
#include "image/byte_reader.h"
#include "image/decoders.h"
#include "image/image_info.h"
#include "image/orientation.h"

namespace instructblip {
namespace {

using namespace std::string_view_literals;

struct Signature {
  std::size_t offset;
  std::string_view bytes;
  std::string_view name;
};

// Types that other programs open and this library does not, named so that a message can say so.
constexpr std::array kRefused = {
    Signature{0, "II+\0"sv, "BigTIFF"},
    Signature{0, "MM\0+"sv, "BigTIFF"},
    Signature{0, "\0\0\0\x0CjP  "sv, "JPEG 2000"},
    Signature{0, "\xFF\x4F\xFF\x51"sv, "JPEG 2000"},
    Signature{0, "\xFF\x0A"sv, "JPEG XL"},
    Signature{0, "\0\0\0\x0CJXL "sv, "JPEG XL"},
    Signature{4, "ftypavif"sv, "AVIF"},
    Signature{4, "ftypheic"sv, "HEIF"},
    Signature{4, "ftypheix"sv, "HEIF"},
    Signature{4, "ftypmif1"sv, "HEIF"},
    Signature{0, "v/1\x01"sv, "OpenEXR"},
    Signature{0, "#?RADIANCE"sv, "Radiance HDR"},
    Signature{0, "#?RGBE"sv, "Radiance HDR"},
    Signature{0, "\x59\xA6\x6A\x95"sv, "Sun raster"},
    Signature{0, "P1"sv, "PNM"},
    Signature{0, "P2"sv, "PNM"},
    Signature{0, "P3"sv, "PNM"},
    Signature{0, "P4"sv, "PNM"},
    Signature{0, "P5"sv, "PNM"},
    Signature{0, "P6"sv, "PNM"},
    Signature{0, "P7"sv, "PNM"},
    Signature{0, "PF"sv, "PFM"},
    Signature{0, "8BPS"sv, "Photoshop"},
    Signature{0, "%PDF"sv, "PDF"},
    Signature{0, "\0\0\x01\0"sv, "ICO"},
    Signature{0, "DDS "sv, "DDS"},
    Signature{128, "DICM"sv, "DICOM"},
};

constexpr std::string_view kReadTypes = "JPEG, PNG, GIF, WebP, BMP and TIFF are read";

Pixels decode_samples(const EncodedImage& image, ImageFormat format, ImageInfo& info) {
  switch (format) {
    case ImageFormat::jpeg:
      return decode_jpeg(image);
    case ImageFormat::png: {
      PngPicture picture = decode_png(image);
      info.orientation = picture.orientation;
      return std::move(picture.pixels);
    }
    case ImageFormat::gif:
      return decode_gif(image);
    case ImageFormat::webp:
      return decode_webp(image);
    case ImageFormat::bmp:
      return decode_bmp(image);
    case ImageFormat::tiff:
      return decode_tiff(image);
  }
  throw Error(ErrorCode::internal, image.name + ": an image format without a decoder");
}

void check_size(const EncodedImage& image, const ImageInfo& info, std::int64_t max_pixels) {
  const std::string size = std::to_string(info.width) + " x " + std::to_string(info.height);
  if (info.width < 1 || info.height < 1) image.fail_bad("a picture of " + size + " pixels");
  if (info.width > limits::kImageSide || info.height > limits::kImageSide) {
    image.fail_bad("a picture of " + size + " pixels, expected sides of at most " +
                   std::to_string(limits::kImageSide));
  }
  if (info.width * info.height > max_pixels) {
    image.fail_bad("a picture of " + size + " pixels, expected at most " +
                   std::to_string(max_pixels) + " in all");
  }
}

// Pillow's alpha_composite() on opaque white, in its fixed point: 255 * 2^7 is one.
std::uint8_t over_white(std::uint32_t value, std::uint32_t alpha) {
  constexpr std::uint32_t kBits = 7;
  const std::uint32_t front = alpha * (255U << kBits) / 255;
  const std::uint32_t sum = value * front + 255 * ((255U << kBits) - front) + (0x80U << kBits);
  return static_cast<std::uint8_t>(((sum >> 8) + sum) >> 8 >> kBits);
}

Pixels without_alpha(Pixels pixels, AlphaBackground background) {
  if (pixels.channels == 3) return pixels;
  Pixels out = Pixels::of_size(pixels.width, pixels.height, 3);
  const bool white = background == AlphaBackground::white;
  const std::size_t count =
      static_cast<std::size_t>(pixels.width) * static_cast<std::size_t>(pixels.height);
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint8_t* in = pixels.samples.get() + 4 * i;
    for (std::size_t channel = 0; channel < 3; ++channel) {
      out.samples[3 * i + channel] = white ? over_white(in[channel], in[3]) : in[channel];
    }
  }
  return out;
}

}  // namespace

void EncodedImage::fail_bad(const std::string& what) const {
  throw Error(ErrorCode::bad_image, name + ": " + what);
}

void EncodedImage::fail_unsupported(const std::string& what, const std::string& hint) const {
  throw Error(ErrorCode::unsupported, name + ": " + what + " is not read", hint);
}

Pixels Pixels::of_size(int width, int height, int channels) {
  Pixels pixels{width, height, channels, {}};
  pixels.samples = std::make_unique_for_overwrite<std::uint8_t[]>(pixels.row_bytes() *
                                                                  static_cast<std::size_t>(height));
  return pixels;
}

ImageFormat identify_format(const EncodedImage& image) {
  const std::string_view text = as_text(image.bytes);
  const auto starts_with = [&](std::string_view magic, std::size_t offset = 0) {
    return text.size() >= offset && text.substr(offset, magic.size()) == magic;
  };
  if (text.empty()) image.fail_bad("the file is empty");
  if (starts_with("\xFF\xD8\xFF"sv)) return ImageFormat::jpeg;
  if (starts_with("\x89PNG\r\n\x1A\n"sv)) return ImageFormat::png;
  if (starts_with("GIF87a"sv) || starts_with("GIF89a"sv)) return ImageFormat::gif;
  if (starts_with("RIFF"sv) && starts_with("WEBP"sv, 8)) return ImageFormat::webp;
  if (starts_with("BM"sv)) return ImageFormat::bmp;
  if (starts_with("II*\0"sv) || starts_with("MM\0*"sv)) return ImageFormat::tiff;
  for (const Signature& signature : kRefused) {
    if (starts_with(signature.bytes, signature.offset)) {
      image.fail_unsupported(std::string(signature.name),
                             std::string(kReadTypes) + "; convert it first");
    }
  }
  image.fail_bad("not a picture: it begins with " + quote(text.substr(0, 8)) + "; " +
                 std::string(kReadTypes));
}

ImageInfo read_info(const EncodedImage& image, ImageFormat format) {
  switch (format) {
    case ImageFormat::jpeg:
      return read_jpeg_info(image);
    case ImageFormat::png:
      return read_png_info(image);
    case ImageFormat::gif:
      return read_gif_info(image);
    case ImageFormat::webp:
      return read_webp_info(image);
    case ImageFormat::bmp:
      return read_bmp_info(image);
    case ImageFormat::tiff:
      return read_tiff_info(image);
  }
  throw Error(ErrorCode::internal, image.name + ": an image format without a reader");
}

void check_image(const EncodedImage& image, const ImageOptions& options) {
  check_size(image, read_info(image, identify_format(image)), options.max_pixels);
}

Pixels decode_image(const EncodedImage& image, const ImageOptions& options) {
  const ImageFormat format = identify_format(image);
  ImageInfo info = read_info(image, format);
  check_size(image, info, options.max_pixels);
  Pixels pixels = decode_samples(image, format, info);
  if (pixels.width != info.width || pixels.height != info.height) {
    image.fail_bad("the head of the file and its codec disagree about the size");
  }
  pixels = without_alpha(std::move(pixels), options.background);
  const bool turn = options.exif == ExifOrientation::apply;
  return turn ? upright(std::move(pixels), info.orientation.value_or(1)) : std::move(pixels);
}

}  // namespace instructblip
