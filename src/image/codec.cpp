#include "image/codec.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>
#include <utility>

#include "core/errors.h"
#include "core/foreign_file.h"
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
  std::string_view hint = "convert it to PNG first";
};

// Types that other programs open and this library does not, named so that a message can say so and
// what to do. The longer of two that begin alike comes first.
constexpr std::string_view kTakeFrames =
    "--video takes it on the command line, Video::read() in a program";
constexpr std::array kRefused = {
    Signature{0, "II+\0"sv, "BigTIFF"},
    Signature{0, "MM\0+"sv, "BigTIFF"},
    Signature{0, "II\xBC"sv, "JPEG XR"},
    Signature{0, "\xFF\x0A"sv, "JPEG XL"},
    Signature{0, "\0\0\0\x0CJXL "sv, "JPEG XL"},
    Signature{4, "ftypavif"sv, "AVIF"},
    Signature{4, "ftypavis"sv, "AVIF"},
    Signature{4, "ftypheic"sv, "HEIF (HEIC)"},
    Signature{4, "ftypheix"sv, "HEIF (HEIC)"},
    Signature{4, "ftypheim"sv, "HEIF (HEIC)"},
    Signature{4, "ftypheis"sv, "HEIF (HEIC)"},
    Signature{4, "ftyphevc"sv, "HEIF (HEIC)"},
    Signature{4, "ftypmif1"sv, "HEIF"},
    Signature{4, "ftypmsf1"sv, "HEIF"},
    Signature{4, "ftypcrx "sv, "Canon raw (CR3)", "develop it to PNG or JPEG first"},
    Signature{4, "ftyp"sv, "a video file (MP4 or MOV)", kTakeFrames},
    Signature{0, "\x1A\x45\xDF\xA3"sv, "a video file (Matroska or WebM)", kTakeFrames},
    Signature{0, "\0\0\x01\xBA"sv, "a video file (MPEG)", kTakeFrames},
    Signature{0, "\0\0\x01\xB3"sv, "a video file (MPEG)", kTakeFrames},
    Signature{0, "FLV\x01"sv, "a video file (Flash)", kTakeFrames},
    Signature{8, "AVI LIST"sv, "a video file (AVI)", kTakeFrames},
    Signature{0, "v/1\x01"sv, "OpenEXR"},
    Signature{0, "#?RADIANCE"sv, "Radiance HDR"},
    Signature{0, "#?RGBE"sv, "Radiance HDR"},
    Signature{0, "\x59\xA6\x6A\x95"sv, "Sun raster"},
    Signature{0, "P7\n"sv, "PAM"},
    Signature{0, "Pf"sv, "PFM"},
    Signature{0, "PF"sv, "PFM"},
    Signature{0, "8BPS"sv, "Photoshop (PSD)", "export it as PNG first"},
    Signature{0, "gimp xcf"sv, "GIMP (XCF)", "export it as PNG first"},
    Signature{0, "%PDF"sv, "PDF", "make a picture of each page first, for instance with pdftoppm"},
    Signature{0, "%!PS"sv, "PostScript",
              "make a picture of it first, for instance with Ghostscript"},
    Signature{0, "\0\0\x01\0"sv, "ICO"},
    Signature{0, "\0\0\x02\0"sv, "CUR"},
    Signature{0, "icns"sv, "ICNS"},
    Signature{0, "DDS "sv, "DDS"},
    Signature{0, "qoif"sv, "QOI"},
    Signature{0, "FUJIFILMCCD-RAW"sv, "Fujifilm raw (RAF)", "develop it to PNG or JPEG first"},
    Signature{128, "DICM"sv, "DICOM"},
};

constexpr std::string_view kReadTypes =
    "JPEG, PNG, GIF, WebP, BMP, TIFF, JPEG 2000 and PNM are read";

// SVG has no signature: it is an XML document whose first element is svg.
bool is_svg(std::string_view text) {
  constexpr std::size_t kProlog = 1024;
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  const std::size_t begin = text.find_first_not_of(" \t\n\r");
  return begin != text.npos && text[begin] == '<' &&
         text.substr(begin, kProlog).find("<svg") != text.npos;
}

// TGA has no signature either: a head of 18 bytes that makes sense. An icon has a number of
// pictures where a picture without a palette has zeros.
bool is_tga(std::string_view text) {
  constexpr std::size_t kHead = 18;
  if (text.size() <= kHead) return false;
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const bool palette = byte(1) == 1;
  constexpr std::string_view kKinds = "\x01\x02\x03\x09\x0A\x0B", kDepths = "\x08\x0F\x10\x18\x20";
  return byte(1) <= 1 && kKinds.find(text[2]) != kKinds.npos &&
         (palette || text.substr(3, 5) == "\0\0\0\0\0"sv) && (byte(12) | byte(13)) != 0 &&
         (byte(14) | byte(15)) != 0 && kDepths.find(text[16]) != kDepths.npos;
}

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
    case ImageFormat::jpeg2000:
      return decode_jpeg2000(image);
    case ImageFormat::pnm:
      return decode_pnm(image);
  }
  throw Error(ErrorCode::internal, image.name + ": an image format without a decoder");
}

// Pillow's alpha_composite() on opaque white, in its fixed point: 255 * 2^7 is one.
std::uint8_t over_white(std::uint32_t value, std::uint32_t alpha) {
  constexpr std::uint32_t kBits = 7;
  const std::uint32_t front = alpha * (255U << kBits) / 255;
  const std::uint32_t sum = value * front + 255 * ((255U << kBits) - front) + (0x80U << kBits);
  return static_cast<std::uint8_t>(((sum >> 8) + sum) >> 8 >> kBits);
}

// In place: a large picture is not held twice.
Pixels without_alpha(Pixels pixels, AlphaBackground background) {
  if (pixels.channels == 3) return pixels;
  const bool white = background == AlphaBackground::white;
  const std::size_t count =
      static_cast<std::size_t>(pixels.width) * static_cast<std::size_t>(pixels.height);
  for (std::size_t i = 0; i < count; ++i) {
    std::array<std::uint8_t, 4> in;
    std::memcpy(in.data(), &pixels.samples[4 * i], in.size());
    for (std::size_t channel = 0; channel < 3; ++channel) {
      pixels.samples[3 * i + channel] = white ? over_white(in[channel], in[3]) : in[channel];
    }
  }
  pixels.channels = 3;
  return pixels;
}

}  // namespace

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
  if (starts_with("\0\0\0\x0CjP  \r\n\x87\n"sv) || starts_with("\xFF\x4F\xFF\x51"sv)) {
    return ImageFormat::jpeg2000;
  }
  if (is_pnm(text)) return ImageFormat::pnm;
  if (is_tga(text)) {
    image.fail_unsupported("TGA", "convert it to PNG first; " + std::string(kReadTypes));
  }
  for (const Signature& signature : kRefused) {
    if (starts_with(signature.bytes, signature.offset)) {
      image.fail_unsupported(std::string(signature.name),
                             std::string(signature.hint) + "; " + std::string(kReadTypes));
    }
  }
  if (is_svg(text)) {
    image.fail_unsupported("SVG", "make a PNG of it first; " + std::string(kReadTypes));
  }
  refuse_foreign(recognise_foreign_or_weights(text), image.name, "a picture", ErrorCode::bad_image);
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
    case ImageFormat::jpeg2000:
      return read_jpeg2000_info(image);
    case ImageFormat::pnm:
      return read_pnm_info(image);
  }
  throw Error(ErrorCode::internal, image.name + ": an image format without a reader");
}

void check_image(const EncodedImage& image, const ImageOptions& options) {
  check_size(image, read_info(image, identify_format(image)), options);
}

Pixels decode_image(const EncodedImage& image, const ImageOptions& options) {
  const ImageFormat format = identify_format(image);
  ImageInfo info = read_info(image, format);
  check_size(image, info, options);
  Pixels pixels = decode_samples(image, format, info);
  if (pixels.width != info.width || pixels.height != info.height) {
    image.fail_bad("the head of the file and its codec disagree about the size");
  }
  pixels = without_alpha(std::move(pixels), options.background);
  const bool turn = options.exif == ExifOrientation::apply;
  return turn ? upright(std::move(pixels), info.orientation.value_or(1)) : std::move(pixels);
}

}  // namespace instructblip
