#include "image/webp_container.h"

#include <optional>

#include "image/byte_reader.h"
#include "image/image_info.h"
#include "image/orientation.h"

namespace instructblip {
namespace {

constexpr std::uint32_t kChunkHeader = 8;
enum ExtendedFlag : std::uint8_t {
  kHasAnimation = 0x02,
  kHasXmp = 0x04,
  kHasExif = 0x08,
  kHasAlpha = 0x10
};

struct Chunk {
  std::string_view name;
  std::span<const std::uint8_t> data;
};

// Walks the chunks of a stretch of the file.
class Chunks {
 public:
  Chunks(const EncodedImage& image, std::span<const std::uint8_t> bytes)
      : image_(image), reader_(bytes, ByteOrder::little) {}

  std::optional<Chunk> next() {
    if (!reader_.has(at_, kChunkHeader)) return std::nullopt;
    const std::uint32_t size = *reader_.u32(at_ + 4);
    if (!reader_.has(at_ + kChunkHeader, size)) image_.fail_bad("WebP: a chunk is cut short");
    const auto bytes = reader_.bytes().subspan(static_cast<std::size_t>(at_));
    at_ += kChunkHeader + std::uint64_t{size} + size % 2;
    return Chunk{as_text(bytes.first(4)), bytes.subspan(kChunkHeader, size)};
  }

 private:
  const EncodedImage& image_;
  ByteReader reader_;
  std::uint64_t at_ = 0;
};

class Parser {
 public:
  explicit Parser(const EncodedImage& image) : image_(image) {}

  WebpContainer parse() {
    const ByteReader file(image_.bytes, ByteOrder::little);
    const auto size = file.u32(4);
    if (!size || *size < 4 || !file.has(kChunkHeader, *size)) {
      image_.fail_bad("WebP: the file is cut short");
    }
    Chunks chunks(image_, image_.bytes.subspan(12, *size - 4));
    auto chunk = chunks.next();
    if (!chunk) image_.fail_bad("WebP: no chunks");
    if (chunk->name == "VP8X") {
      read_extended(chunk->data);
      chunk = chunks.next();
    } else {
      out_.has_alpha = true;
    }
    for (; chunk; chunk = chunks.next()) read_chunk(*chunk);
    finish();
    return out_;
  }

 private:
  void read_extended(std::span<const std::uint8_t> data) {
    const ByteReader reader(data, ByteOrder::little);
    if (!reader.has(0, 10)) image_.fail_bad("WebP: the extended header is cut short");
    flags_ = data[0];
    out_.animated = (flags_ & kHasAnimation) != 0;
    out_.has_alpha = (flags_ & kHasAlpha) != 0;
    out_.width = *reader.u24(4) + 1;
    out_.height = *reader.u24(7) + 1;
  }

  void read_chunk(const Chunk& chunk) {
    if (chunk.name == "EXIF" && (flags_ & kHasExif) != 0 && out_.exif.empty()) {
      out_.exif = chunk.data;
    } else if (chunk.name == "XMP " && (flags_ & kHasXmp) != 0 && out_.xmp.empty()) {
      out_.xmp = chunk.data;
    } else if (out_.image_data.empty() && out_.animated && chunk.name == "ANMF") {
      read_frame(chunk.data);
    } else if (out_.image_data.empty() && !out_.animated) {
      read_picture(chunk);
    }
  }

  void read_frame(std::span<const std::uint8_t> data) {
    constexpr std::uint32_t kFrameHeader = 16;
    const ByteReader reader(data, ByteOrder::little);
    if (!reader.has(0, kFrameHeader)) image_.fail_bad("WebP: a frame is cut short");
    out_.left = 2 * *reader.u24(0);
    out_.top = 2 * *reader.u24(3);
    Chunks chunks(image_, data.subspan(kFrameHeader));
    while (const auto chunk = chunks.next()) {
      if (out_.image_data.empty()) read_picture(*chunk);
    }
    const bool fits = out_.frame_width == *reader.u24(6) + 1 &&
                      out_.frame_height == *reader.u24(9) + 1 &&
                      std::uint64_t{out_.left} + out_.frame_width <= out_.width &&
                      std::uint64_t{out_.top} + out_.frame_height <= out_.height;
    if (!fits) image_.fail_bad("WebP: the first frame does not fit the canvas");
  }

  void read_picture(const Chunk& chunk) {
    const ByteReader reader(chunk.data, ByteOrder::little);
    if (chunk.name == "ALPH") {
      out_.alpha_data = chunk.data;
    } else if (chunk.name == "VP8 ") {
      if (!reader.has(0, 10) || *reader.u24(3) != 0x2A019D) {
        image_.fail_bad("WebP: the frame header is damaged");
      }
      out_.frame_width = *reader.u16(6) & 0x3FFF;
      out_.frame_height = *reader.u16(8) & 0x3FFF;
      set_picture(chunk);
    } else if (chunk.name == "VP8L") {
      if (!reader.has(0, 5) || chunk.data[0] != 0x2F) {
        image_.fail_bad("WebP: the lossless header is damaged");
      }
      out_.frame_width = (*reader.u32(1) & 0x3FFF) + 1;
      out_.frame_height = (*reader.u32(1) >> 14 & 0x3FFF) + 1;
      set_picture(chunk);
    }
  }

  void set_picture(const Chunk& chunk) {
    out_.image_name = chunk.name;
    out_.image_data = chunk.data;
  }

  void finish() {
    if (out_.image_data.empty()) image_.fail_bad("WebP: no picture in the file");
    if (out_.width == 0) {
      out_.width = out_.frame_width;
      out_.height = out_.frame_height;
    }
    if (!out_.animated && (out_.width != out_.frame_width || out_.height != out_.frame_height)) {
      image_.fail_bad("WebP: the picture does not fit the canvas");
    }
  }

  const EncodedImage& image_;
  WebpContainer out_;
  std::uint8_t flags_ = 0;
};

void append_number(std::string& out, std::uint32_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i) & 255);
}

void append_chunk(std::string& out, std::string_view name, std::string_view data) {
  out += name;
  append_number(out, static_cast<std::uint32_t>(data.size()), 4);
  out += data;
  if (data.size() % 2 != 0) out += '\0';
}

}  // namespace

WebpContainer read_webp_container(const EncodedImage& image) { return Parser(image).parse(); }

std::string single_frame_file(const WebpContainer& container) {
  std::string chunks = "WEBP";
  if (!container.alpha_data.empty()) {
    std::string extended;
    append_number(extended, kHasAlpha, 4);
    append_number(extended, container.frame_width - 1, 3);
    append_number(extended, container.frame_height - 1, 3);
    append_chunk(chunks, "VP8X", extended);
    append_chunk(chunks, "ALPH", as_text(container.alpha_data));
  }
  append_chunk(chunks, container.image_name, as_text(container.image_data));
  std::string file;
  append_chunk(file, "RIFF", chunks);
  // OpenCV takes nothing shorter for a WebP file; a lossless picture of a few pixels is.
  constexpr std::size_t kShortest = 64;
  if (file.size() < kShortest) file.resize(kShortest);
  return file;
}

ImageInfo read_webp_info(const EncodedImage& image) {
  const WebpContainer container = read_webp_container(image);
  ImageInfo info;
  info.width = container.width;
  info.height = container.height;
  info.orientation = exif_orientation(container.exif);
  if (!info.orientation) info.orientation = xmp_orientation(container.xmp);
  return info;
}

}  // namespace instructblip
