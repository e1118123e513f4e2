// The door to libtiff.
#include <tiffio.h>

#include <algorithm>
#include <array>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include "core/limits.h"
#include "image/cmyk.h"
#include "image/decoders.h"
#include "image/tiff_directory.h"

namespace instructblip {
namespace {

// The file in memory, and what libtiff reports, kept instead of printed.
struct TiffContext {
  std::span<const std::uint8_t> bytes;
  std::uint64_t position = 0;
  char message[160] = {};  // the first error; empty while there is none

  void keep(const char* format, va_list arguments) {
    if (message[0] == 0) std::vsnprintf(message, sizeof message, format, arguments);
  }
};

int on_error(TIFF*, void* user, const char*, const char* format, va_list arguments) {
  static_cast<TiffContext*>(user)->keep(format, arguments);
  return 1;  // handled: nothing goes to the process's own handlers
}

// Warnings are about tags, except libjpeg's, after which part of the picture is made up.
int on_warning(TIFF*, void* user, const char* module, const char* format, va_list arguments) {
  if (module != nullptr && std::string_view(module) == "JPEGLib") {
    static_cast<TiffContext*>(user)->keep(format, arguments);
  }
  return 1;
}

tmsize_t on_read(thandle_t handle, void* out, tmsize_t size) {
  auto* context = static_cast<TiffContext*>(handle);
  const std::uint64_t end = context->bytes.size();
  const std::uint64_t left = end - std::min(context->position, end);
  const auto count = std::min(static_cast<std::uint64_t>(size), left);
  if (count > 0) std::memcpy(out, context->bytes.data() + context->position, count);
  context->position += count;
  return static_cast<tmsize_t>(count);
}

tmsize_t on_write(thandle_t, void*, tmsize_t) { return 0; }

toff_t on_seek(thandle_t handle, toff_t offset, int whence) {
  auto* context = static_cast<TiffContext*>(handle);
  const std::uint64_t base = whence == SEEK_SET   ? 0
                             : whence == SEEK_CUR ? context->position
                                                  : context->bytes.size();
  return context->position = base + offset;
}

int on_close(thandle_t) { return 0; }

toff_t on_size(thandle_t handle) { return static_cast<TiffContext*>(handle)->bytes.size(); }

// A picture without compression often is one strip.
tmsize_t most_block_bytes(const TiffDirectory& directory) {
  const std::int64_t row =
      (std::int64_t{directory.width} * directory.bits * directory.samples + 7) / 8;
  return std::max<tmsize_t>(limits::kTiffBlockBytes, row * directory.height);
}

class TiffReader {
 public:
  TiffReader(const EncodedImage& image, tmsize_t most_bytes)
      : image_(image), context_{image.bytes} {
    TIFFOpenOptions* options = TIFFOpenOptionsAlloc();
    if (options == nullptr) throw std::bad_alloc();
    TIFFOpenOptionsSetErrorHandlerExtR(options, on_error, &context_);
    TIFFOpenOptionsSetWarningHandlerExtR(options, on_warning, &context_);
    TIFFOpenOptionsSetMaxSingleMemAlloc(options, most_bytes);
    // "m": no map, which would let libtiff point into the caller's bytes.
    tiff_ = TIFFClientOpenExt("image", "rm", &context_, on_read, on_write, on_seek, on_close,
                              on_size, nullptr, nullptr, options);
    TIFFOpenOptionsFree(options);
    if (tiff_ == nullptr) fail("the directory is damaged");
  }
  TiffReader(const TiffReader&) = delete;
  TiffReader& operator=(const TiffReader&) = delete;
  ~TiffReader() { TIFFClose(tiff_); }

  TIFF* get() const { return tiff_; }
  bool failed() const { return context_.message[0] != 0; }
  [[noreturn]] void fail(const char* otherwise) const {
    image_.fail_bad(std::string("TIFF: ") + (failed() ? context_.message : otherwise));
  }

 private:
  const EncodedImage& image_;
  TiffContext context_;
  TIFF* tiff_ = nullptr;
};

using Palette = std::array<std::array<std::uint8_t, 3>, 256>;

Palette read_palette(const TiffReader& reader) {
  std::uint16_t *red = nullptr, *green = nullptr, *blue = nullptr;
  if (TIFFGetField(reader.get(), TIFFTAG_COLORMAP, &red, &green, &blue) != 1) {
    reader.fail("no palette");
  }
  Palette palette;
  for (std::size_t i = 0; i < palette.size(); ++i) {
    palette[i] = {static_cast<std::uint8_t>(red[i] >> 8), static_cast<std::uint8_t>(green[i] >> 8),
                  static_cast<std::uint8_t>(blue[i] >> 8)};
  }
  return palette;
}

// Turns stored samples, 16-bit ones in the machine's byte order, into RGB or RGBA.
class TiffRows {
 public:
  TiffRows(const TiffDirectory& directory, const TiffReader& reader) : directory_(directory) {
    if (directory_.color == TiffColor::palette) palette_ = read_palette(reader);
  }

  bool has_alpha() const {
    return directory_.extra == TiffExtra::associated || directory_.extra == TiffExtra::unassociated;
  }

  void convert(const std::uint8_t* in, int width, std::uint8_t* out) const {
    for (int x = 0; x < width; ++x, out += has_alpha() ? 4 : 3) {
      if (directory_.color == TiffColor::rgb) {
        put_color(in, x, out);
      } else if (directory_.color == TiffColor::cmyk) {
        const int first = x * static_cast<int>(directory_.samples);
        const std::uint8_t inks[] = {sample(in, first), sample(in, first + 1),
                                     sample(in, first + 2), sample(in, first + 3)};
        cmyk_to_rgb(inks, out);
      } else if (directory_.color == TiffColor::palette) {
        std::copy_n(palette_[in[x]].begin(), 3, out);
      } else {
        std::fill_n(out, 3, grey(in, x));
      }
    }
  }

 private:
  static int wide(const std::uint8_t* in, int index) {
    std::uint16_t value;
    std::memcpy(&value, in + 2 * index, sizeof value);
    return value;
  }

  // Pillow clips 16-bit grey at 255, and of 16-bit colours it keeps the high byte.
  std::uint8_t grey(const std::uint8_t* in, int x) const {
    if (directory_.bits == 16) return static_cast<std::uint8_t>(std::min(wide(in, x), 255));
    const auto value = directory_.bits == 8
                           ? in[x]
                           : static_cast<std::uint8_t>(in[x / 8] >> (7 - x % 8) & 1 ? 255 : 0);
    return directory_.color == TiffColor::white_is_zero ? static_cast<std::uint8_t>(255 - value)
                                                        : value;
  }

  std::uint8_t sample(const std::uint8_t* in, int index) const {
    return directory_.bits == 16 ? static_cast<std::uint8_t>(wide(in, index) >> 8) : in[index];
  }

  void put_color(const std::uint8_t* in, int x, std::uint8_t* out) const {
    const int first = x * static_cast<int>(directory_.samples);
    for (int channel = 0; channel < 3; ++channel) out[channel] = sample(in, first + channel);
    if (!has_alpha()) return;
    const int alpha = out[3] = in[first + 3];
    if (directory_.extra == TiffExtra::unassociated || alpha == 255) return;
    for (int channel = 0; channel < 3; ++channel) {  // Pillow's way back to plain colours
      out[channel] =
          static_cast<std::uint8_t>(alpha == 0 ? 0 : std::min(255, out[channel] * 255 / alpha));
    }
  }

  const TiffDirectory& directory_;
  Palette palette_{};
};

// A stretch of the picture that is stored as one: a tile or a strip.
struct Block {
  std::uint32_t width, height;
  std::size_t bytes, row_bytes;
  bool tiled;
};

Block block_of(const TiffReader& reader, const TiffDirectory& directory) {
  TIFF* tiff = reader.get();
  Block block{directory.width, directory.height, 0, 0, TIFFIsTiled(tiff) != 0};
  if (block.tiled) {
    TIFFGetField(tiff, TIFFTAG_TILEWIDTH, &block.width);
    TIFFGetField(tiff, TIFFTAG_TILELENGTH, &block.height);
  } else {
    TIFFGetFieldDefaulted(tiff, TIFFTAG_ROWSPERSTRIP, &block.height);
    block.height = std::min(block.height, directory.height);
  }
  const tmsize_t bytes = block.tiled ? TIFFTileSize(tiff) : TIFFStripSize(tiff);
  const tmsize_t row = block.tiled ? TIFFTileRowSize(tiff) : TIFFScanlineSize(tiff);
  const std::uint64_t bits = std::uint64_t{directory.bits} * directory.samples;
  const bool sane =
      block.width > 0 && block.height > 0 && bytes > 0 && bytes <= most_block_bytes(directory) &&
      row > 0 && static_cast<std::uint64_t>(row) >= (block.width * bits + 7) / 8 &&
      static_cast<std::uint64_t>(bytes) / static_cast<std::uint64_t>(row) >= block.height;
  if (!sane) reader.fail("strips or tiles without a sensible size");
  block.bytes = static_cast<std::size_t>(bytes);
  block.row_bytes = static_cast<std::size_t>(row);
  return block;
}

void read_block(const TiffReader& reader, const Block& block, std::uint32_t left, std::uint32_t top,
                std::vector<std::uint8_t>& samples) {
  TIFF* tiff = reader.get();
  const auto size = static_cast<tmsize_t>(samples.size());
  const tmsize_t read =
      block.tiled
          ? TIFFReadEncodedTile(tiff, TIFFComputeTile(tiff, left, top, 0, 0), samples.data(), size)
          : TIFFReadEncodedStrip(tiff, TIFFComputeStrip(tiff, top, 0), samples.data(), size);
  if (read != size || reader.failed()) reader.fail("the picture is damaged or cut short");
}

}  // namespace

Pixels decode_tiff(const EncodedImage& image) {
  const TiffDirectory directory = read_tiff_directory(image);
  const TiffReader reader(image, most_block_bytes(directory));
  if (directory.is_ycbcr) TIFFSetField(reader.get(), TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
  const TiffRows rows(directory, reader);
  const Block block = block_of(reader, directory);
  Pixels pixels = Pixels::of_size(static_cast<int>(directory.width),
                                  static_cast<int>(directory.height), rows.has_alpha() ? 4 : 3);
  std::vector<std::uint8_t> samples;
  for (std::uint32_t top = 0; top < directory.height; top += block.height) {
    const std::uint32_t height = std::min(block.height, directory.height - top);
    samples.resize(block.tiled ? block.bytes : block.row_bytes * height);
    for (std::uint32_t left = 0; left < directory.width; left += block.width) {
      read_block(reader, block, left, top, samples);
      const auto width = static_cast<int>(std::min(block.width, directory.width - left));
      for (std::uint32_t y = 0; y < height; ++y) {
        rows.convert(
            samples.data() + y * block.row_bytes, width,
            pixels.row(static_cast<int>(top + y)) +
                static_cast<std::size_t>(left) * static_cast<std::size_t>(pixels.channels));
      }
    }
  }
  return pixels;
}

}  // namespace instructblip
