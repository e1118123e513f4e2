// The door to libpng.
#include <png.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include "core/limits.h"
#include "image/byte_reader.h"
#include "image/decoders.h"
#include "image/image_info.h"
#include "image/orientation.h"

namespace instructblip {
namespace {

// What libpng's callbacks share.
struct PngContext {
  std::span<const std::uint8_t> unread;
  char message[160] = {};
  bool out_of_memory = false;
};

[[noreturn]] void on_error(png_structp png, png_const_charp message) {
  auto* context = static_cast<PngContext*>(png_get_error_ptr(png));
  std::strncpy(context->message, message, sizeof context->message - 1);
  context->out_of_memory = std::string_view(message).find("memory") != std::string_view::npos;
  png_longjmp(png, 1);
}

// Warnings are about chunks beside the picture; libpng drops those.
void on_warning(png_structp, png_const_charp) {}

void read_bytes(png_structp png, png_bytep out, std::size_t size) {
  auto* context = static_cast<PngContext*>(png_get_io_ptr(png));
  if (size > context->unread.size()) png_error(png, "the file is cut short");
  std::memcpy(out, context->unread.data(), size);
  context->unread = context->unread.subspan(size);
}

// Owns the codec. libpng leaves its functions by longjmp, so no function here that calls them
// holds an object with a destructor.
class PngReader {
 public:
  explicit PngReader(std::span<const std::uint8_t> bytes) : context_{bytes} {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, &context_, on_error, on_warning);
    if (png_ != nullptr) info_ = png_create_info_struct(png_);
    if (info_ == nullptr) {
      png_destroy_read_struct(&png_, nullptr, nullptr);
      throw std::bad_alloc();
    }
  }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;
  ~PngReader() { png_destroy_read_struct(&png_, &info_, nullptr); }

  bool read_header() {
    if (setjmp(png_jmpbuf(png_)) != 0) return false;
    png_set_read_fn(png_, &context_, read_bytes);
    png_set_crc_action(png_, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
    png_set_user_limits(png_, limits::kLongestSide, limits::kLongestSide);
    png_set_chunk_malloc_max(png_, limits::kImageMetadataBytes);
    png_read_info(png_, info_);
    color_type = png_get_color_type(png_, info_);
    depth = png_get_bit_depth(png_, info_);
    width = static_cast<int>(png_get_image_width(png_, info_));
    height = static_cast<int>(png_get_image_height(png_, info_));
    // Samples come as one byte each; Pillow keeps the low bytes of grey alone.
    png_set_packing(png_);
    if (depth == 16 && color_type != PNG_COLOR_TYPE_GRAY) png_set_strip_16(png_);
    passes = png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    row_bytes = png_get_rowbytes(png_, info_);
    return true;
  }

  // One row of one pass.
  bool read_row(std::uint8_t* row) {
    if (setjmp(png_jmpbuf(png_)) != 0) return false;
    png_read_row(png_, row, nullptr);
    return true;
  }

  // All passes into one buffer of whole rows.
  bool read_passes(std::uint8_t* rows) {
    if (setjmp(png_jmpbuf(png_)) != 0) return false;
    for (int pass = 0; pass < passes; ++pass) {
      for (int y = 0; y < height; ++y) {
        png_read_row(png_, rows + static_cast<std::size_t>(y) * row_bytes, nullptr);
      }
    }
    return true;
  }

  // The chunks after the picture; metadata may stand there.
  bool read_end() {
    if (setjmp(png_jmpbuf(png_)) != 0) return false;
    png_read_end(png_, info_);
    return true;
  }

  [[noreturn]] void fail(const EncodedImage& image) const {
    if (context_.out_of_memory) throw std::bad_alloc();
    image.fail_bad(std::string("PNG: ") + context_.message);
  }

  png_structp png() const { return png_; }
  png_infop info() const { return info_; }

  int color_type = 0, depth = 0, width = 0, height = 0, passes = 1;
  std::size_t row_bytes = 0;

 private:
  PngContext context_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
};

// Turns one row of samples as libpng delivers them into RGB or RGBA.
class PngRows {
 public:
  explicit PngRows(const PngReader& reader);
  int channels() const { return has_alpha_ ? 4 : 3; }
  void convert(const std::uint8_t* in, std::uint8_t* out) const;

 private:
  void read_palette(const PngReader& reader);
  void put(std::uint8_t* out, const std::uint8_t* rgb, std::uint8_t alpha) const;

  int color_type_, depth_, width_;
  bool has_alpha_ = false;
  bool has_key_ = false;                                    // one colour is transparent
  std::array<std::uint8_t, 3> key_{};                       // as Pillow compares it: the low bytes
  std::array<std::array<std::uint8_t, 4>, 256> palette_{};  // black beyond its end, as in Pillow
};

PngRows::PngRows(const PngReader& reader)
    : color_type_(reader.color_type), depth_(reader.depth), width_(reader.width) {
  has_alpha_ = (color_type_ & PNG_COLOR_MASK_ALPHA) != 0;
  if (color_type_ == PNG_COLOR_TYPE_PALETTE) read_palette(reader);
  png_color_16p color = nullptr;
  if ((color_type_ == PNG_COLOR_TYPE_GRAY || color_type_ == PNG_COLOR_TYPE_RGB) &&
      png_get_tRNS(reader.png(), reader.info(), nullptr, nullptr, &color) != 0) {
    has_alpha_ = has_key_ = true;
    const auto low = [](unsigned value) { return static_cast<std::uint8_t>(value & 255); };
    if (color_type_ == PNG_COLOR_TYPE_RGB) {
      key_ = {low(color->red), low(color->green), low(color->blue)};
    } else {
      const auto grey = depth_ == 1 && color->gray != 0 ? std::uint8_t{255} : low(color->gray);
      key_ = {grey, grey, grey};
    }
  }
}

void PngRows::read_palette(const PngReader& reader) {
  for (auto& entry : palette_) entry = {0, 0, 0, 255};
  png_colorp colors = nullptr;
  int count = 0;
  png_get_PLTE(reader.png(), reader.info(), &colors, &count);
  for (int i = 0; i < std::min(count, 256); ++i) {
    palette_[static_cast<std::size_t>(i)] = {colors[i].red, colors[i].green, colors[i].blue, 255};
  }
  png_bytep alphas = nullptr;
  if (png_get_tRNS(reader.png(), reader.info(), &alphas, &count, nullptr) != 0) {
    has_alpha_ = true;
    for (int i = 0; i < std::min(count, 256); ++i)
      palette_[static_cast<std::size_t>(i)][3] = alphas[i];
  }
}

void PngRows::put(std::uint8_t* out, const std::uint8_t* rgb, std::uint8_t alpha) const {
  std::copy(rgb, rgb + 3, out);
  if (!has_alpha_) return;
  out[3] = has_key_ && std::equal(key_.begin(), key_.end(), rgb) ? 0 : alpha;
}

void PngRows::convert(const std::uint8_t* in, std::uint8_t* out) const {
  const int step = channels();
  for (int x = 0; x < width_; ++x, out += step) {
    switch (color_type_) {
      case PNG_COLOR_TYPE_PALETTE: {
        const auto& entry = palette_[in[x]];
        put(out, entry.data(), entry[3]);
        break;
      }
      case PNG_COLOR_TYPE_RGB:
        put(out, in + 3 * x, 255);
        break;
      case PNG_COLOR_TYPE_RGB_ALPHA:
        put(out, in + 4 * x, in[4 * x + 3]);
        break;
      case PNG_COLOR_TYPE_GRAY_ALPHA: {
        const std::uint8_t grey[3] = {in[2 * x], in[2 * x], in[2 * x]};
        put(out, grey, in[2 * x + 1]);
        break;
      }
      default: {  // grey
        // Pillow clips 16-bit grey at 255 instead of scaling it. Fewer bits are spread evenly.
        const std::uint8_t value =
            depth_ == 16 ? (in[2 * x] != 0 ? std::uint8_t{255} : in[2 * x + 1])
                         : static_cast<std::uint8_t>(in[x] * (255 / ((1 << depth_) - 1)));
        const std::uint8_t grey[3] = {value, value, value};
        put(out, grey, 255);
      }
    }
  }
}

// ImageMagick's way to keep EXIF in a text chunk: a line end, a name, a length, then hex digits.
std::vector<std::uint8_t> from_raw_profile(std::string_view text) {
  for (int line = 0; line < 3; ++line) {
    const std::size_t end = text.find('\n');
    if (end == text.npos) return {};
    text.remove_prefix(end + 1);
  }
  std::vector<std::uint8_t> bytes;
  int high = -1;
  for (const char c : text) {
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) continue;
    if (high < 0) {
      high = digit;
    } else {
      bytes.push_back(static_cast<std::uint8_t>(high << 4 | digit));
      high = -1;
    }
  }
  return bytes;
}

std::optional<int> read_orientation(const PngReader& reader) {
  const auto view = [](const auto* data, std::size_t size) {
    return std::span(reinterpret_cast<const std::uint8_t*>(data), size);
  };
  std::optional<int> from_exif, from_profile, from_xmp;
  png_bytep exif = nullptr;
  png_uint_32 exif_size = 0;
  const bool has_exif = png_get_eXIf_1(reader.png(), reader.info(), &exif_size, &exif) != 0;
  if (has_exif) from_exif = exif_orientation(view(exif, exif_size));

  png_textp texts = nullptr;
  int count = 0;
  png_get_text(reader.png(), reader.info(), &texts, &count);
  for (int i = 0; i < count; ++i) {
    const std::string_view key = texts[i].key;
    const std::size_t size = std::max(texts[i].text_length, texts[i].itxt_length);
    if (key == "Raw profile type exif") {
      from_profile = exif_orientation(from_raw_profile({texts[i].text, size}));
    } else if (key == "XML:com.adobe.xmp") {
      from_xmp = xmp_orientation(view(texts[i].text, size));
    }
  }
  const auto found = has_exif ? from_exif : from_profile;
  return found ? found : from_xmp;
}

}  // namespace

ImageInfo read_png_info(const EncodedImage& image) {
  const ByteReader reader(image.bytes, ByteOrder::big);
  constexpr std::uint64_t kSignature = 8;
  constexpr std::uint64_t kAround = 12;  // a chunk's length, name and checksum
  // libpng takes memory for what a chunk says it holds, so all of them must lie in the file.
  std::string_view name;
  for (std::uint64_t at = kSignature; name != "IEND";) {
    const auto length = reader.u32(at);
    if (!length || !reader.has(at, kAround + *length)) image.fail_bad("PNG: the file is cut short");
    name = as_text(image.bytes.subspan(static_cast<std::size_t>(at) + 4, 4));
    if (at == kSignature && (name != "IHDR" || *length != 13)) {
      image.fail_bad("PNG: expected the header chunk first");
    }
    at += kAround + *length;
  }
  ImageInfo info;
  info.width = *reader.u32(kSignature + 8);
  info.height = *reader.u32(kSignature + 12);
  return info;
}

PngPicture decode_png(const EncodedImage& image) {
  PngReader reader(image.bytes);
  if (!reader.read_header()) reader.fail(image);
  const PngRows rows(reader);
  PngPicture picture{Pixels::of_size(reader.width, reader.height, rows.channels()), {}};
  const bool interlaced = reader.passes > 1;
  std::vector<std::uint8_t> samples(reader.row_bytes *
                                    (interlaced ? static_cast<std::size_t>(reader.height) : 1));
  if (interlaced && !reader.read_passes(samples.data())) reader.fail(image);
  for (int y = 0; y < reader.height; ++y) {
    if (!interlaced && !reader.read_row(samples.data())) reader.fail(image);
    const std::size_t at = interlaced ? static_cast<std::size_t>(y) * reader.row_bytes : 0;
    rows.convert(samples.data() + at, picture.pixels.row(y));
  }
  if (!reader.read_end()) reader.fail(image);
  picture.orientation = read_orientation(reader);
  return picture;
}

}  // namespace instructblip
