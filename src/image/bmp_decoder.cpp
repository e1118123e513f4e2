// Windows and OS/2 bitmaps, as Pillow reads them.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <string>
#include <vector>

#include "image/byte_reader.h"
#include "image/decoders.h"
#include "image/image_info.h"

namespace instructblip {
namespace {

constexpr std::uint64_t kInfo = 14;  // where the info header starts, after the file header

enum Compression : std::uint32_t { kRaw = 0, kRle8 = 1, kRle4 = 2, kBitFields = 3 };

// Which byte of a pixel holds a channel; -1 for none.
struct ByteLayout {
  int red, green, blue, alpha;
};

struct BmpHeader {
  std::int64_t width, height;
  bool top_down = false;
  std::uint32_t bits;
  std::uint32_t compression = kRaw;
  std::array<std::uint32_t, 4> masks{};  // R G B A, of kBitFields
  std::uint64_t palette_at;
  std::uint64_t palette_entry = 4;  // bytes
  std::uint64_t palette_size = 0;   // entries
  std::uint64_t pixels_at;
};

class HeaderReader {
 public:
  explicit HeaderReader(const EncodedImage& image)
      : image_(image), reader_(image.bytes, ByteOrder::little) {}

  BmpHeader read() {
    const std::uint32_t size = u32(kInfo);
    if (!reader_.has(kInfo, size)) cut();
    constexpr std::array<std::uint32_t, 6> kSizes = {40, 52, 56, 64, 108, 124};
    BmpHeader header{};
    header.palette_entry = 4;
    std::uint32_t colors = 0;
    if (size == 12) {
      header.width = u16(kInfo + 4);
      header.height = u16(kInfo + 6);
      header.bits = u16(kInfo + 10);
      header.palette_entry = 3;
    } else if (std::find(kSizes.begin(), kSizes.end(), size) != kSizes.end()) {
      header.width = u32(kInfo + 4);
      const std::uint32_t height = u32(kInfo + 8);
      header.top_down = height >> 24 == 0xFF;  // small negative numbers
      header.height = header.top_down ? std::int64_t{0x1'0000'0000} - height : height;
      header.bits = u16(kInfo + 14);
      header.compression = u32(kInfo + 16);
      colors = u32(kInfo + 32);
    } else {
      image_.fail_unsupported("a BMP with a header of " + std::to_string(size) + " bytes");
    }
    header.palette_at = kInfo + size;
    if (header.compression == kBitFields) read_masks(header, size);
    place(header, size, colors);
    return header;
  }

 private:
  std::uint32_t u16(std::uint64_t at) const {
    const auto value = reader_.u16(at);
    if (!value) cut();
    return *value;
  }
  std::uint32_t u32(std::uint64_t at) const {
    const auto value = reader_.u32(at);
    if (!value) cut();
    return *value;
  }
  [[noreturn]] void cut() const { image_.fail_bad("BMP: the header is cut short"); }

  void read_masks(BmpHeader& header, std::uint32_t size) const {
    const std::uint64_t at = kInfo + 40;  // in the header, or after one of 40 bytes
    const std::size_t count = size >= 56 ? 4 : 3;
    for (std::size_t i = 0; i < count; ++i) header.masks[i] = u32(at + 4 * i);
    if (size == 40) header.palette_at += 12;
  }

  void place(BmpHeader& header, std::uint32_t size, std::uint32_t colors) const {
    header.pixels_at = u32(10);
    if (header.bits <= 8) {
      header.palette_size = colors != 0 ? colors : 1U << header.bits;
      if (header.palette_size > 65536) image_.fail_bad("BMP: the palette is too large");
      // Some writers leave the palette out of the offset.
      if (header.pixels_at == kInfo + size) {
        header.pixels_at += header.palette_entry * header.palette_size;
      }
    }
    if (header.pixels_at == 0) {
      header.pixels_at = header.palette_at + header.palette_entry * header.palette_size;
    }
  }

  const EncodedImage& image_;
  ByteReader reader_;
};

// The layouts that Pillow knows; other masks are refused, as there.
ByteLayout layout_of_32_bits(const EncodedImage& image, const BmpHeader& header) {
  if (header.compression == kRaw) return {2, 1, 0, -1};
  struct Known {
    std::array<std::uint32_t, 4> masks;
    ByteLayout layout;
  };
  constexpr std::array<Known, 8> kKnown = {{
      {{0xFF0000, 0xFF00, 0xFF, 0}, {2, 1, 0, -1}},
      {{0xFF000000, 0xFF0000, 0xFF00, 0}, {3, 2, 1, -1}},
      {{0xFF000000, 0xFF00, 0xFF, 0}, {3, 1, 0, -1}},
      {{0xFF000000, 0xFF0000, 0xFF00, 0xFF}, {3, 2, 1, 0}},
      {{0xFF, 0xFF00, 0xFF0000, 0xFF000000}, {0, 1, 2, 3}},
      {{0xFF0000, 0xFF00, 0xFF, 0xFF000000}, {2, 1, 0, 3}},
      {{0xFF000000, 0xFF00, 0xFF, 0xFF0000}, {3, 1, 0, 2}},
      {{0, 0, 0, 0}, {2, 1, 0, 3}},
  }};
  for (const Known& known : kKnown) {
    if (known.masks == header.masks) return known.layout;
  }
  image.fail_unsupported("a 32-bit BMP with these bit fields");
}

bool is_565(const EncodedImage& image, const BmpHeader& header) {
  if (header.compression == kRaw) return false;
  if (header.masks[0] == 0xF800 && header.masks[1] == 0x7E0 && header.masks[2] == 0x1F) return true;
  if (header.masks[0] == 0x7C00 && header.masks[1] == 0x3E0 && header.masks[2] == 0x1F)
    return false;
  image.fail_unsupported("a 16-bit BMP with these bit fields");
}

using Palette = std::array<std::array<std::uint8_t, 3>, 256>;

// Entries past the end of the palette are black, as in Pillow.
Palette read_palette(const EncodedImage& image, const BmpHeader& header) {
  const ByteReader reader(image.bytes, ByteOrder::little);
  Palette palette{};
  for (std::size_t i = 0; i < std::min<std::size_t>(header.palette_size, palette.size()); ++i) {
    const std::uint64_t at = header.palette_at + i * header.palette_entry;
    if (!reader.has(at, 3)) image.fail_bad("BMP: the palette is cut short");
    const std::uint8_t* entry = image.bytes.data() + at;
    palette[i] = {entry[2], entry[1], entry[0]};
  }
  return palette;
}

void put_indexed(const BmpHeader& header, const Palette& palette, const std::uint8_t* in,
                 std::uint8_t* out) {
  const std::uint32_t mask = (1U << header.bits) - 1;
  for (std::int64_t x = 0; x < header.width; ++x, out += 3) {
    const std::int64_t bit = x * header.bits;
    const std::uint32_t index =
        in[bit / 8] >> (8 - header.bits - static_cast<std::uint32_t>(bit % 8)) & mask;
    std::copy_n(palette[index].begin(), 3, out);
  }
}

void put_16_bits(bool is_565, std::int64_t width, const std::uint8_t* in, std::uint8_t* out) {
  const int green_max = is_565 ? 63 : 31;
  for (std::int64_t x = 0; x < width; ++x, in += 2, out += 3) {
    const int pixel = in[0] | in[1] << 8;
    out[0] = static_cast<std::uint8_t>((pixel >> (is_565 ? 11 : 10) & 31) * 255 / 31);
    out[1] = static_cast<std::uint8_t>((pixel >> 5 & green_max) * 255 / green_max);
    out[2] = static_cast<std::uint8_t>((pixel & 31) * 255 / 31);
  }
}

void put_bytes(const ByteLayout& layout, std::int64_t width, int step, const std::uint8_t* in,
               std::uint8_t* out) {
  for (std::int64_t x = 0; x < width; ++x, in += step) {
    *out++ = in[layout.red];
    *out++ = in[layout.green];
    *out++ = in[layout.blue];
    if (layout.alpha >= 0) *out++ = in[layout.alpha];
  }
}

// Run lengths to one byte a pixel, in stored order. What is missing at the end is an error.
class RunLengths {
 public:
  RunLengths(const EncodedImage& image, const BmpHeader& header)
      : bytes_(image.bytes),
        at_(header.pixels_at),
        nibbles_(header.compression == kRle4),
        width_(static_cast<std::size_t>(header.width)),
        size_(width_ * static_cast<std::size_t>(header.height)) {}

  // Empty where the data end early.
  std::vector<std::uint8_t> decode() {
    pixels_.reserve(size_);
    while (pixels_.size() < size_ && has(2)) {
      const std::size_t count = bytes_[at_];
      const std::uint8_t value = bytes_[at_ + 1];
      at_ += 2;
      if (count > 0) {
        run(count, value);
      } else if (value == 0) {
        fill((width_ - pixels_.size() % width_) % width_);
        column_ = 0;
      } else if (value == 1 || !(value == 2 ? skip() : literal(value))) {
        break;
      }
    }
    if (pixels_.size() < size_) pixels_.clear();
    return std::move(pixels_);
  }

 private:
  bool has(std::size_t count) const { return at_ <= bytes_.size() && count <= bytes_.size() - at_; }
  void fill(std::size_t count) {
    pixels_.insert(pixels_.end(), std::min(count, size_ - pixels_.size()), 0);
  }

  void run(std::size_t count, std::uint8_t value) {
    count = std::min(count, width_ - std::min(column_, width_));
    const std::uint8_t values[2] = {static_cast<std::uint8_t>(nibbles_ ? value >> 4 : value),
                                    static_cast<std::uint8_t>(nibbles_ ? value & 15 : value)};
    for (std::size_t i = 0; i < count; ++i) pixels_.push_back(values[i % 2]);
    column_ += count;
  }

  bool skip() {
    if (!has(2)) return false;
    fill(bytes_[at_] + std::size_t{bytes_[at_ + 1]} * width_);
    at_ += 2;
    column_ = pixels_.size() % width_;
    return true;
  }

  bool literal(std::size_t count) {
    const std::size_t taken = std::min(size_ - pixels_.size(), count);
    const std::size_t size = nibbles_ ? (taken + 1) / 2 : taken;
    if (!has(size)) return false;
    for (std::size_t i = 0; i < taken; ++i) {
      const std::uint8_t byte = bytes_[at_ + (nibbles_ ? i / 2 : i)];
      pixels_.push_back(!nibbles_ ? byte
                                  : static_cast<std::uint8_t>(i % 2 ? byte & 15 : byte >> 4));
    }
    at_ += size;
    column_ += count;
    at_ += at_ % 2;  // words, counted from the start of the file
    return true;
  }

  std::span<const std::uint8_t> bytes_;
  std::size_t at_;
  bool nibbles_;
  std::size_t width_, size_;
  std::size_t column_ = 0;
  std::vector<std::uint8_t> pixels_;
};

void check(const EncodedImage& image, const BmpHeader& header) {
  constexpr std::array<std::uint32_t, 6> kBits = {1, 4, 8, 16, 24, 32};
  if (std::find(kBits.begin(), kBits.end(), header.bits) == kBits.end()) {
    image.fail_unsupported("a BMP of " + std::to_string(header.bits) + " bits per pixel");
  }
  const bool known = header.compression == kRaw ||
                     (header.compression == kBitFields && header.bits >= 16) ||
                     (header.compression == kRle8 && header.bits == 8) ||
                     (header.compression == kRle4 && header.bits == 4);
  if (!known) {
    image.fail_unsupported("a BMP of " + std::to_string(header.bits) + " bits with compression " +
                           std::to_string(header.compression));
  }
}

}  // namespace

ImageInfo read_bmp_info(const EncodedImage& image) {
  const BmpHeader header = HeaderReader(image).read();
  check(image, header);
  ImageInfo info;
  info.width = header.width;
  info.height = header.height;
  return info;
}

Pixels decode_bmp(const EncodedImage& image) {
  const BmpHeader header = HeaderReader(image).read();
  const bool run_lengths = header.compression == kRle8 || header.compression == kRle4;
  ByteLayout layout{2, 1, 0, -1};
  if (header.bits == 32) layout = layout_of_32_bits(image, header);
  const bool has_565 = header.bits == 16 && is_565(image, header);
  Palette palette{};
  if (header.bits <= 8) palette = read_palette(image, header);

  // Rows are padded to four bytes; the runs come out as bytes without padding.
  std::uint64_t stride = (static_cast<std::uint64_t>(header.width) * header.bits + 31) / 32 * 4;
  const std::uint8_t* rows =
      image.bytes.data() + std::min<std::uint64_t>(header.pixels_at, image.bytes.size());
  std::vector<std::uint8_t> unpacked;
  BmpHeader as_bytes = header;
  if (run_lengths) {
    unpacked = RunLengths(image, header).decode();
    if (unpacked.empty()) image.fail_bad("BMP: the run lengths end before the picture does");
    rows = unpacked.data();
    stride = static_cast<std::uint64_t>(header.width);
    as_bytes.bits = 8;
  } else if (!ByteReader(image.bytes, ByteOrder::little)
                  .has(header.pixels_at, stride * static_cast<std::uint64_t>(header.height))) {
    image.fail_bad("BMP: the file ends before the picture does");
  }

  Pixels pixels = Pixels::of_size(static_cast<int>(header.width), static_cast<int>(header.height),
                                  layout.alpha >= 0 ? 4 : 3);
  for (int y = 0; y < pixels.height; ++y) {
    const std::uint8_t* in =
        rows + static_cast<std::uint64_t>(header.top_down ? y : pixels.height - 1 - y) * stride;
    std::uint8_t* out = pixels.row(y);
    if (as_bytes.bits <= 8) {
      put_indexed(as_bytes, palette, in, out);
    } else if (header.bits == 16) {
      put_16_bits(has_565, header.width, in, out);
    } else {
      put_bytes(layout, header.width, static_cast<int>(header.bits / 8), in, out);
    }
  }
  return pixels;
}

}  // namespace instructblip
