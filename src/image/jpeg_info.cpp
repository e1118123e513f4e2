// The segments of a JPEG before its first scan (ITU T.81 annex B).
#include <string>
#include <vector>

#include "image/byte_reader.h"
#include "image/image_info.h"
#include "image/orientation.h"

namespace instructblip {
namespace {

constexpr int kTemporary = 0x01, kRestart0 = 0xD0, kEndOfImage = 0xD9, kStartOfScan = 0xDA,
              kApplication1 = 0xE1;

bool is_frame(int marker) {
  // 0xC4, 0xC8 and 0xCC are tables and a reserved marker in the midst of the frame markers.
  return marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
}

void read_frame(const EncodedImage& image, int marker, std::span<const std::uint8_t> segment,
                ImageInfo& info) {
  if (segment.size() < 6) image.fail_bad("JPEG: the frame header is cut short");
  const int process = marker - 0xC0;  // 0 to 2: baseline, extended, progressive; 9, 10: arithmetic
  if (process > 2 && process != 9 && process != 10) {
    image.fail_unsupported("a JPEG of process " + std::to_string(process) +
                           " (lossless or hierarchical)");
  }
  if (segment[0] != 8) {
    image.fail_unsupported("a JPEG of " + std::to_string(segment[0]) + " bits per sample");
  }
  const int components = segment[5];
  if (components != 1 && components != 3 && components != 4) {
    image.fail_unsupported("a JPEG of " + std::to_string(components) + " components");
  }
  const ByteReader reader(segment, ByteOrder::big);
  info.height = *reader.u16(1);
  info.width = *reader.u16(3);
}

// Pillow joins several EXIF segments, and takes the last XMP packet.
struct Metadata {
  std::vector<std::uint8_t> exif, xmp;

  void read(std::span<const std::uint8_t> segment) {
    constexpr std::string_view kExif("Exif\0\0", 6), kXmp("http://ns.adobe.com/xap/1.0/\0", 29);
    const std::string_view text = as_text(segment);
    if (text.substr(0, kExif.size()) == kExif) {
      exif.insert(exif.end(), segment.begin() + static_cast<std::ptrdiff_t>(kExif.size()),
                  segment.end());
    } else if (text.substr(0, kXmp.size()) == kXmp) {
      xmp.assign(segment.begin() + static_cast<std::ptrdiff_t>(kXmp.size()), segment.end());
    }
  }

  std::optional<int> orientation() const {
    const auto found = exif_orientation(exif);
    return found ? found : xmp_orientation(xmp);
  }
};

}  // namespace

ImageInfo read_jpeg_info(const EncodedImage& image) {
  const ByteReader reader(image.bytes, ByteOrder::big);
  ImageInfo info;
  Metadata metadata;
  std::uint64_t at = 2;  // after the start marker
  while (true) {
    // Bytes between segments are skipped, as libjpeg and Pillow do.
    while (reader.has(at, 1) && image.bytes[static_cast<std::size_t>(at)] != 0xFF) ++at;
    while (reader.has(at, 1) && image.bytes[static_cast<std::size_t>(at)] == 0xFF) ++at;
    if (!reader.has(at, 1)) image.fail_bad("JPEG: cut short before the picture");
    const int marker = image.bytes[static_cast<std::size_t>(at++)];
    if (marker == 0 || marker == kTemporary || (marker >= kRestart0 && marker < kEndOfImage)) {
      continue;  // without a length
    }
    if (marker == kEndOfImage) image.fail_bad("JPEG: ends before the picture");
    if (marker == kStartOfScan) break;
    const auto length = reader.u16(at);
    if (!length || *length < 2 || !reader.has(at, *length)) {
      image.fail_bad("JPEG: a segment runs past the end of the file");
    }
    const auto segment = image.bytes.subspan(static_cast<std::size_t>(at) + 2, *length - 2);
    if (is_frame(marker)) read_frame(image, marker, segment, info);
    if (marker == kApplication1) metadata.read(segment);
    at += *length;
  }
  if (info.width == 0 || info.height == 0) {
    image.fail_bad("JPEG: no frame header, or one without a size, before the first scan");
  }
  info.orientation = metadata.orientation();
  return info;
}

}  // namespace instructblip
