#include "image/jpeg2000_head.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include "core/limits.h"
#include "image/byte_reader.h"
#include "image/image_info.h"

namespace instructblip {
namespace {

constexpr std::uint64_t kSignatureBytes = 12;  // the first box of a JP2 file
enum Colorspace : std::uint32_t { kCmyk = 12, kSrgb = 16, kGrey = 17, kSycc = 18 };

struct Box {
  std::string_view type;
  std::span<const std::uint8_t> content;
};

class Boxes {
 public:
  Boxes(const EncodedImage& image, std::span<const std::uint8_t> bytes)
      : image_(image), reader_(bytes, ByteOrder::big) {}

  // Nothing at the end.
  std::optional<Box> next() {
    const auto bytes = reader_.bytes();
    if (at_ >= bytes.size()) return std::nullopt;
    if (!reader_.has(at_, 8)) image_.fail_bad("JPEG 2000: a box is cut short");
    std::uint64_t size = *reader_.u32(at_), head = 8;
    if (size == 1) {
      if (!reader_.has(at_, 16)) image_.fail_bad("JPEG 2000: a box is cut short");
      size = std::uint64_t{*reader_.u32(at_ + 8)} << 32 | *reader_.u32(at_ + 12);
      head = 16;
    } else if (size == 0) {  // to the end
      size = bytes.size() - at_;
    }
    if (size < head || !reader_.has(at_, size)) image_.fail_bad("JPEG 2000: a box is cut short");
    const auto box = bytes.subspan(static_cast<std::size_t>(at_), static_cast<std::size_t>(size));
    at_ += size;
    return Box{as_text(box.subspan(4, 4)), box.subspan(static_cast<std::size_t>(head))};
  }

 private:
  const EncodedImage& image_;
  ByteReader reader_;
  std::uint64_t at_ = 0;
};

[[noreturn]] void refuse(const EncodedImage& image, const std::string& what) {
  image.fail_unsupported("a JPEG 2000 file with " + what, "convert it to PNG first");
}

// The SIZ segment, which comes first in every codestream.
void read_codestream(const EncodedImage& image, std::span<const std::uint8_t> bytes,
                     Jpeg2000Head& head) {
  const ByteReader reader(bytes, ByteOrder::big);
  constexpr std::uint64_t kSamples = 42;  // where the components are described
  if (!reader.has(0, kSamples) || *reader.u32(0) != 0xFF4FFF51) {
    image.fail_bad("JPEG 2000: the head of the codestream is damaged or cut short");
  }
  head.right = *reader.u32(8);
  head.bottom = *reader.u32(12);
  head.left = *reader.u32(16);
  head.top = *reader.u32(20);
  const std::uint32_t tile_width = *reader.u32(24), tile_height = *reader.u32(28);
  const std::uint32_t tiles_left = *reader.u32(32), tiles_top = *reader.u32(36);
  head.components = *reader.u16(40);
  if (head.right <= head.left || head.bottom <= head.top || tile_width == 0 || tile_height == 0 ||
      tiles_left > head.left || tiles_top > head.top) {
    image.fail_bad("JPEG 2000: a picture without a sensible size");
  }
  if (head.components < 1 || head.components > 4) {
    refuse(image, std::to_string(head.components) + " components");
  }
  if (!reader.has(kSamples, std::uint64_t{3} * head.components)) {
    image.fail_bad("JPEG 2000: the head of the codestream is cut short");
  }
  for (std::uint32_t i = 0; i < head.components; ++i) {
    const auto component = bytes.subspan(static_cast<std::size_t>(kSamples) + 3 * i, 3);
    const std::uint32_t bits = (component[0] & 0x7FU) + 1;
    const bool is_signed = (component[0] & 0x80) != 0;
    if (i == 0) {
      head.bits = bits;
      head.is_signed = is_signed;
    }
    if (bits != head.bits || is_signed != head.is_signed) refuse(image, "components that differ");
    if (component[1] != 1 || component[2] != 1) refuse(image, "components of other sizes");
  }
  if (head.bits > 16) refuse(image, "samples of " + std::to_string(head.bits) + " bits");
  const auto count = [](std::uint32_t end, std::uint32_t begin, std::uint32_t size) {
    return (std::uint64_t{end} - begin + size - 1) / size;
  };
  const std::uint64_t tiles =
      count(head.right, tiles_left, tile_width) * count(head.bottom, tiles_top, tile_height);
  if (tiles > limits::kJpeg2000Tiles) {
    refuse(image, std::to_string(tiles) + " tiles, expected at most " +
                      std::to_string(limits::kJpeg2000Tiles) + ": such a picture");
  }
  head.tiles = static_cast<std::uint32_t>(tiles);
  const std::int64_t largest = std::int64_t{std::min(tile_width, head.right - head.left)} *
                               std::min(tile_height, head.bottom - head.top);
  if (largest > limits::kJpeg2000TilePixels) {
    refuse(image, "a tile of " + std::to_string(largest) + " pixels, expected at most " +
                      std::to_string(limits::kJpeg2000TilePixels) + ": such a picture");
  }
}

// The first colour space counts where there are several. A profile, or none at all, says nothing to
// Pillow.
void read_color(const EncodedImage& image, std::span<const std::uint8_t> content,
                Jpeg2000Head& head) {
  const ByteReader reader(content, ByteOrder::big);
  if (!reader.has(0, 7)) image.fail_bad("JPEG 2000: a box is cut short");
  if (content[0] != 1) return;
  const std::uint32_t space = *reader.u32(3);
  const bool grey = head.components <= 2;
  if (space == kSycc && !grey) {
    head.color = Jpeg2000Color::ycc;
  } else if (space == kCmyk && head.components == 4) {
    head.color = Jpeg2000Color::cmyk;
  } else if (space != (grey ? kGrey : kSrgb)) {
    refuse(image, std::to_string(head.components) + " components in colour space " +
                      std::to_string(space));
  }
}

void read_boxes(const EncodedImage& image, Jpeg2000Head& head) {
  std::span<const std::uint8_t> header, codestream;
  Boxes boxes(image, image.bytes);
  for (auto box = boxes.next(); box && codestream.empty(); box = boxes.next()) {
    if (box->type == "jp2h" && header.empty()) header = box->content;
    if (box->type == "jp2c") codestream = box->content;
  }
  if (header.empty() || codestream.empty()) {
    image.fail_bad("JPEG 2000: no picture in the file");
  }
  read_codestream(image, codestream, head);
  bool has_size = false, has_color = false;
  Boxes inner(image, header);
  while (const auto box = inner.next()) {
    const ByteReader reader(box->content, ByteOrder::big);
    if (box->type == "ihdr") {
      has_size = reader.has(0, 14) && *reader.u32(0) == head.bottom - head.top &&
                 *reader.u32(4) == head.right - head.left && *reader.u16(8) == head.components;
    } else if (box->type == "colr" && !has_color) {
      read_color(image, box->content, head);
      has_color = true;
    } else if (box->type == "pclr") {
      refuse(image, "a palette");
    }
  }
  if (!has_size) {
    image.fail_bad("JPEG 2000: the header and the codestream disagree about the picture");
  }
}

}  // namespace

Jpeg2000Head read_jpeg2000_head(const EncodedImage& image) {
  Jpeg2000Head head;
  head.is_boxed = image.bytes[0] == 0;
  if (head.is_boxed) {
    if (image.bytes.size() < kSignatureBytes) image.fail_bad("JPEG 2000: the file is cut short");
    read_boxes(image, head);
  } else {
    read_codestream(image, image.bytes, head);
  }
  return head;
}

ImageInfo read_jpeg2000_info(const EncodedImage& image) {
  const Jpeg2000Head head = read_jpeg2000_head(image);
  ImageInfo info;
  info.width = std::int64_t{head.right} - head.left;
  info.height = std::int64_t{head.bottom} - head.top;
  return info;
}

}  // namespace instructblip
