#include "image/tiff_directory.h"

#include <algorithm>
#include <array>
#include <vector>

#include "image/byte_reader.h"
#include "image/image_info.h"
#include "image/orientation.h"

namespace instructblip {
namespace {

enum Tag : std::uint32_t {
  kWidth = 256,
  kHeight = 257,
  kBits = 258,
  kCompression = 259,
  kPhotometric = 262,
  kFillOrder = 266,
  kStripOffsets = 273,
  kOrientation = 274,
  kSamples = 277,
  kRowsPerStrip = 278,
  kStripSizes = 279,
  kPlanar = 284,
  kTileWidth = 322,
  kTileHeight = 323,
  kTileOffsets = 324,
  kTileSizes = 325,
  kExtraSamples = 338,
  kSampleFormat = 339,
  kXmp = 700,
};

enum Compression : std::uint32_t {
  kNone = 1,
  kLzw = 5,
  kDeflate = 8,
  kOldDeflate = 32946,
  kPackBits = 32773
};
enum Photometric : std::uint32_t { kWhiteIsZero = 0, kBlackIsZero = 1, kRgb = 2, kPalette = 3 };

struct Entry {
  std::uint32_t tag, type, count;
  std::uint64_t values_at;
};

class DirectoryReader {
 public:
  explicit DirectoryReader(const EncodedImage& image)
      : image_(image),
        reader_(image.bytes, image.bytes[0] == 'I' ? ByteOrder::little : ByteOrder::big) {
    const auto offset = reader_.u32(4);
    const auto count = offset ? reader_.u16(*offset) : std::nullopt;
    if (!count) cut();
    for (std::uint64_t i = 0; i < *count; ++i) add_entry(*offset + 2 + 12 * i);
  }

  const ByteReader& bytes() const { return reader_; }

  const Entry* find(std::uint32_t tag) const {
    const auto at = std::find_if(entries_.begin(), entries_.end(),
                                 [&](const Entry& entry) { return entry.tag == tag; });
    return at == entries_.end() ? nullptr : &*at;
  }

  std::uint32_t number(std::uint32_t tag, std::uint32_t otherwise) const {
    const Entry* entry = find(tag);
    return entry == nullptr ? otherwise : value(*entry, 0);
  }

  std::uint32_t value(const Entry& entry, std::uint64_t index) const {
    if (index >= entry.count) cut();
    switch (entry.type) {
      case 1:
        return image_.bytes[static_cast<std::size_t>(entry.values_at + index)];
      case 3:
        return *reader_.u16(entry.values_at + 2 * index);
      case 4:
        return *reader_.u32(entry.values_at + 4 * index);
      default:
        image_.fail_bad("TIFF: tag " + std::to_string(entry.tag) + " is not a number");
    }
  }

  [[noreturn]] void cut() const { image_.fail_bad("TIFF: the directory is cut short"); }

 private:
  void add_entry(std::uint64_t at) {
    if (!reader_.has(at, 12)) cut();
    Entry entry{*reader_.u16(at), *reader_.u16(at + 2), *reader_.u32(at + 4), at + 8};
    constexpr std::array<std::uint64_t, 13> kSizes = {0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8};
    const std::uint64_t size = (entry.type < kSizes.size() ? kSizes[entry.type] : 0) * entry.count;
    if (size > 4) entry.values_at = *reader_.u32(at + 8);
    // Pillow and libtiff leave out entries that they cannot read; ours are looked for by tag.
    if (size > 0 && reader_.has(entry.values_at, size)) entries_.push_back(entry);
  }

  const EncodedImage& image_;
  ByteReader reader_;
  std::vector<Entry> entries_;
};

void refuse(const EncodedImage& image, const std::string& what) {
  image.fail_unsupported("a TIFF with " + what, "convert it to PNG first");
}

TiffExtra extra_of(const EncodedImage& image, const DirectoryReader& reader,
                   const TiffDirectory& directory) {
  if (directory.samples != 4) return TiffExtra::none;
  const Entry* entry = reader.find(kExtraSamples);
  const std::uint32_t kind = entry != nullptr ? reader.value(*entry, 0) : 3;
  if (kind > 2) refuse(image, "a fourth sample of unknown meaning");
  constexpr std::array kKinds = {TiffExtra::unspecified, TiffExtra::associated,
                                 TiffExtra::unassociated};
  return kKinds[kind];
}

void check_kind(const EncodedImage& image, const DirectoryReader& reader,
                const TiffDirectory& directory) {
  constexpr std::array<std::uint32_t, 5> kCompressions = {kNone, kLzw, kDeflate, kOldDeflate,
                                                          kPackBits};
  if (std::find(kCompressions.begin(), kCompressions.end(), directory.compression) ==
      kCompressions.end()) {
    refuse(image, "compression " + std::to_string(directory.compression));
  }
  const bool grey = directory.photometric == kWhiteIsZero || directory.photometric == kBlackIsZero;
  const bool known =
      (grey && directory.samples == 1 && (directory.bits == 1 || directory.bits == 8)) ||
      (directory.photometric == kBlackIsZero && directory.samples == 1 && directory.bits == 16) ||
      (directory.photometric == kPalette && directory.samples == 1 && directory.bits == 8) ||
      (directory.photometric == kRgb && directory.samples == 3 &&
       (directory.bits == 8 || directory.bits == 16)) ||
      (directory.photometric == kRgb && directory.samples == 4 && directory.bits == 8);
  if (!known) {
    refuse(image, std::to_string(directory.samples) + " samples of " +
                      std::to_string(directory.bits) + " bits and photometric interpretation " +
                      std::to_string(directory.photometric));
  }
  if (const Entry* bits = reader.find(kBits)) {
    for (std::uint64_t i = 1; i < std::min(bits->count, directory.samples); ++i) {
      if (reader.value(*bits, i) != directory.bits) refuse(image, "samples of unequal size");
    }
  }
  if (reader.number(kSampleFormat, 1) != 1) refuse(image, "samples that are not unsigned");
  if (reader.number(kFillOrder, 1) != 1) refuse(image, "reversed bits");
  if (reader.number(kPlanar, 1) != 1 && directory.samples > 1) refuse(image, "separate planes");
}

std::uint64_t blocks(std::uint64_t size, std::uint64_t block) { return (size + block - 1) / block; }

// Every strip or tile lies in the file and, where it is not compressed, is long enough.
void check_data(const EncodedImage& image, const DirectoryReader& reader,
                const TiffDirectory& directory) {
  const bool tiled = reader.find(kTileOffsets) != nullptr;
  const Entry* offsets = reader.find(tiled ? kTileOffsets : kStripOffsets);
  const Entry* sizes = reader.find(tiled ? kTileSizes : kStripSizes);
  if (offsets == nullptr || sizes == nullptr) image.fail_bad("TIFF: no pixels in the file");
  const std::uint64_t width = tiled ? reader.number(kTileWidth, 0) : directory.width;
  const std::uint64_t height =
      tiled ? reader.number(kTileHeight, 0)
            : std::min(reader.number(kRowsPerStrip, directory.height), directory.height);
  if (width == 0 || height == 0) image.fail_bad("TIFF: tiles or strips without a size");
  const std::uint64_t count = blocks(directory.width, width) * blocks(directory.height, height);
  if (offsets->count < count || sizes->count < count) {
    image.fail_bad("TIFF: " + std::to_string(std::min(offsets->count, sizes->count)) +
                   " strips or tiles, expected " + std::to_string(count));
  }
  const std::uint64_t row = blocks(width * directory.bits * directory.samples, 8);
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::uint64_t rows =
        tiled ? height : std::min<std::uint64_t>(height, directory.height - i * height);
    const std::uint64_t size = reader.value(*sizes, i);
    if (size == 0 || !reader.bytes().has(reader.value(*offsets, i), size) ||
        (directory.compression == kNone && size < row * rows)) {
      image.fail_bad("TIFF: the file ends before the picture does");
    }
  }
}

}  // namespace

TiffDirectory read_tiff_directory(const EncodedImage& image) {
  const DirectoryReader reader(image);
  TiffDirectory directory;
  directory.little_endian = reader.bytes().order() == ByteOrder::little;
  directory.width = reader.number(kWidth, 0);
  directory.height = reader.number(kHeight, 0);
  directory.bits = reader.number(kBits, 1);
  directory.samples = reader.number(kSamples, 1);
  directory.photometric = reader.number(kPhotometric, kWhiteIsZero);
  directory.compression = reader.number(kCompression, kNone);
  directory.extra = extra_of(image, reader, directory);
  const auto place_of = [&](std::uint32_t tag) {
    const Entry* entry = reader.find(tag);
    return entry != nullptr && entry->type == 3 ? entry->values_at : 0;
  };
  directory.orientation_at = place_of(kOrientation);
  directory.extra_at = place_of(kExtraSamples);
  check_kind(image, reader, directory);
  if (directory.width == 0 || directory.height == 0)
    image.fail_bad("TIFF: a picture without a size");
  check_data(image, reader, directory);
  return directory;
}

std::string plain_tiff(const EncodedImage& image, const TiffDirectory& directory) {
  std::string file(as_text(image.bytes));
  const auto set = [&](std::uint64_t at) {  // to 1: top left; associated alpha
    if (at == 0) return;
    file[at + (directory.little_endian ? 0 : 1)] = 1;
    file[at + (directory.little_endian ? 1 : 0)] = 0;
  };
  set(directory.orientation_at);
  set(directory.extra_at);
  return file;
}

ImageInfo read_tiff_info(const EncodedImage& image) {
  const TiffDirectory directory = read_tiff_directory(image);
  ImageInfo info;
  info.width = directory.width;
  info.height = directory.height;
  info.orientation = exif_orientation(image.bytes);
  if (!info.orientation) {
    const DirectoryReader reader(image);
    if (const Entry* xmp = reader.find(kXmp);
        xmp != nullptr && (xmp->type == 1 || xmp->type == 7)) {
      info.orientation = xmp_orientation(
          image.bytes.subspan(static_cast<std::size_t>(xmp->values_at), xmp->count));
    }
  }
  return info;
}

}  // namespace instructblip
