#include "image/orientation.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <string_view>
#include <utility>

namespace instructblip {
namespace {

constexpr std::uint32_t kOrientationTag = 0x0112;

// The first value of a directory entry of any integer type; Pillow takes no other type for an
// orientation.
std::optional<int> first_integer(const ByteReader& tiff, std::uint64_t entry) {
  enum Type : std::uint32_t {
    kShort = 3,
    kLong = 4,
    kSignedByte = 6,
    kSignedShort = 8,
    kSignedLong = 9,
    kIfd = 13
  };
  const std::uint32_t type = *tiff.u16(entry + 2);
  const std::uint32_t count = *tiff.u32(entry + 4);
  const unsigned size = type == kSignedByte                                    ? 1
                        : type == kShort || type == kSignedShort               ? 2
                        : type == kLong || type == kSignedLong || type == kIfd ? 4
                                                                               : 0;
  if (size == 0 || count == 0) return std::nullopt;
  const bool inside = std::uint64_t{count} * size <= 4;
  const std::uint64_t at = inside ? entry + 8 : *tiff.u32(entry + 8);
  if (!tiff.has(at, std::uint64_t{count} * size)) return std::nullopt;
  const std::uint32_t value = size == 1   ? tiff.bytes()[static_cast<std::size_t>(at)]
                              : size == 2 ? *tiff.u16(at)
                                          : *tiff.u32(at);
  return static_cast<int>(std::min<std::uint32_t>(value, 255));
}

}  // namespace

std::optional<int> directory_orientation(const ByteReader& tiff, std::uint64_t offset) {
  const auto entries = tiff.u16(offset);
  for (std::uint64_t i = 0; entries && i < *entries; ++i) {
    const std::uint64_t entry = offset + 2 + 12 * i;
    if (!tiff.has(entry, 12)) return std::nullopt;
    if (*tiff.u16(entry) == kOrientationTag) return first_integer(tiff, entry);
  }
  return std::nullopt;
}

std::optional<int> exif_orientation(std::span<const std::uint8_t> exif) {
  constexpr std::string_view kPrefix("Exif\0\0", 6);
  // Some writers put it there twice.
  for (int i = 0; i < 2 && as_text(exif).substr(0, kPrefix.size()) == kPrefix; ++i) {
    exif = exif.subspan(kPrefix.size());
  }
  if (exif.size() < 8) return std::nullopt;
  const std::string_view head = as_text(exif.first(4));
  const bool little = head.substr(0, 2) == "II";
  if (!little && head.substr(0, 2) != "MM") return std::nullopt;
  const ByteReader tiff(exif, little ? ByteOrder::little : ByteOrder::big);
  // Pillow also takes a version number in the other byte order.
  const std::uint32_t version = *tiff.u16(2);
  if (version != 42 && version != 42 << 8) return std::nullopt;
  return directory_orientation(tiff, *tiff.u32(4));
}

std::optional<int> xmp_orientation(std::span<const std::uint8_t> xmp) {
  constexpr std::string_view kTag = "tiff:Orientation";
  const std::string_view text = as_text(xmp);
  for (std::size_t at = text.find(kTag); at != text.npos; at = text.find(kTag, at + 1)) {
    std::string_view rest = text.substr(at + kTag.size());
    if (rest.substr(0, 2) == "=\"") {
      rest.remove_prefix(2);
    } else if (rest.substr(0, 1) == ">") {
      rest.remove_prefix(1);
    } else {
      continue;
    }
    if (!rest.empty() && rest[0] >= '0' && rest[0] <= '9') return rest[0] - '0';
  }
  return std::nullopt;
}

Pixels upright(Pixels pixels, int orientation) {
  // Where the new top left pixel lies, and the way to the next column and row, in stored pixels.
  struct Walk {
    bool from_right, from_bottom, swapped;
  };
  constexpr std::array<Walk, 9> kWalks = {{
      {},
      {},
      {true, false, false},  // 2: mirrored
      {true, true, false},   // 3: upside down
      {false, true, false},  // 4: upside down and mirrored
      {false, false, true},  // 5: transposed
      {false, true, true},   // 6: lies on its left side
      {true, true, true},    // 7: transposed over the other diagonal
      {true, false, true},   // 8: lies on its right side
  }};
  if (orientation < 2 || orientation > 8) return pixels;
  const Walk walk = kWalks[static_cast<std::size_t>(orientation)];
  Pixels out = walk.swapped ? Pixels::of_size(pixels.height, pixels.width, pixels.channels)
                            : Pixels::of_size(pixels.width, pixels.height, pixels.channels);
  constexpr std::ptrdiff_t kChannels = 3;
  const auto row = static_cast<std::ptrdiff_t>(pixels.row_bytes());
  std::ptrdiff_t column_step = walk.from_right ? -kChannels : kChannels;
  std::ptrdiff_t row_step = walk.from_bottom ? -row : row;
  const std::uint8_t* origin = pixels.samples.get() +
                               (walk.from_right ? (pixels.width - 1) * kChannels : 0) +
                               (walk.from_bottom ? (pixels.height - 1) * row : 0);
  if (walk.swapped) std::swap(column_step, row_step);

  // In square tiles, so that a transposition keeps to few cache lines at a time.
  constexpr int kTile = 32;
  for (int top = 0; top < out.height; top += kTile) {
    for (int left = 0; left < out.width; left += kTile) {
      const int right = std::min(left + kTile, out.width);
      for (int y = top; y < std::min(top + kTile, out.height); ++y) {
        const std::uint8_t* from = origin + left * column_step + y * row_step;
        std::uint8_t* to = out.row(y) + left * kChannels;
        for (int x = left; x < right; ++x, from += column_step, to += kChannels) {
          std::memcpy(to, from, kChannels);
        }
      }
    }
  }
  return out;
}

}  // namespace instructblip
