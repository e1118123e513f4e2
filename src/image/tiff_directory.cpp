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
  kSamples = 277,
  kPlanar = 284,
  kExtraSamples = 338,
  kSampleFormat = 339,
  kXmp = 700,
};

enum Compression : std::uint32_t {
  kNone = 1,
  kFaxRuns = 2,
  kFax3 = 3,
  kFax4 = 4,
  kLzw = 5,
  kJpeg = 7,
  kDeflate = 8,
  kPackBits = 32773,
  kOldDeflate = 32946,
};
enum Photometric : std::uint32_t {
  kWhiteIsZero = 0,
  kBlackIsZero = 1,
  kRgb = 2,
  kPalette = 3,
  kSeparated = 5,
  kYcbcr = 6,
};

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

[[noreturn]] void refuse(const EncodedImage& image, const std::string& what) {
  image.fail_unsupported("a TIFF with " + what, "convert it to PNG first");
}

TiffExtra extra_of(const EncodedImage& image, const DirectoryReader& reader,
                   std::uint32_t samples) {
  if (samples != 4) return TiffExtra::none;
  const Entry* entry = reader.find(kExtraSamples);
  const std::uint32_t kind = entry != nullptr ? reader.value(*entry, 0) : 3;
  constexpr std::array kKinds = {TiffExtra::unspecified, TiffExtra::associated,
                                 TiffExtra::unassociated};
  if (kind >= kKinds.size()) refuse(image, "a fourth sample of unknown meaning");
  return kKinds[kind];
}

void check_compression(const EncodedImage& image, std::uint32_t compression,
                       std::uint32_t photometric, std::uint32_t bits) {
  constexpr std::array<std::uint32_t, 5> kAny = {kNone, kLzw, kDeflate, kOldDeflate, kPackBits};
  const bool fax = compression >= kFaxRuns && compression <= kFax4 && bits == 1;
  const bool jpeg = compression == kJpeg && bits == 8 && photometric != kPalette;
  const bool any = std::find(kAny.begin(), kAny.end(), compression) != kAny.end();
  if (!fax && !jpeg && !(any && photometric != kYcbcr)) {
    refuse(image, "compression " + std::to_string(compression) + " of " + std::to_string(bits) +
                      " bits and photometric interpretation " + std::to_string(photometric));
  }
}

TiffColor color_of(const EncodedImage& image, const TiffDirectory& directory,
                   std::uint32_t photometric) {
  const std::uint32_t bits = directory.bits;
  switch (photometric) {
    case kWhiteIsZero:
      if (directory.samples == 1 && (bits == 1 || bits == 8)) return TiffColor::white_is_zero;
      break;
    case kBlackIsZero:
      if (directory.samples == 1 && (bits == 1 || bits == 8 || bits == 16)) {
        return TiffColor::black_is_zero;
      }
      break;
    case kRgb:
      if (directory.samples == 3 && (bits == 8 || bits == 16)) return TiffColor::rgb;
      if (directory.samples == 4 && bits == 8) return TiffColor::rgb;
      break;
    case kPalette:
      if (directory.samples == 1 && bits == 8) return TiffColor::palette;
      break;
    case kSeparated:
      if (directory.samples == 4 && (bits == 8 || bits == 16)) return TiffColor::cmyk;
      if (directory.samples == 5 && bits == 8) return TiffColor::cmyk;  // the last is skipped
      break;
    case kYcbcr:
      if (directory.samples == 3 && bits == 8) return TiffColor::rgb;
      break;
  }
  refuse(image, std::to_string(directory.samples) + " samples of " + std::to_string(bits) +
                    " bits and photometric interpretation " + std::to_string(photometric));
}

void check_layout(const EncodedImage& image, const DirectoryReader& reader,
                  const TiffDirectory& directory) {
  if (const Entry* bits = reader.find(kBits)) {
    for (std::uint64_t i = 1; i < std::min(bits->count, directory.samples); ++i) {
      if (reader.value(*bits, i) != directory.bits) refuse(image, "samples of unequal size");
    }
  }
  if (reader.number(kSampleFormat, 1) != 1) refuse(image, "samples that are not unsigned");
  if (reader.number(kFillOrder, 1) != 1) refuse(image, "reversed bits");
  if (reader.number(kPlanar, 1) != 1 && directory.samples > 1) refuse(image, "separate planes");
}

}  // namespace

TiffDirectory read_tiff_directory(const EncodedImage& image) {
  const DirectoryReader reader(image);
  const std::uint32_t photometric = reader.number(kPhotometric, kWhiteIsZero);
  TiffDirectory directory;
  directory.width = reader.number(kWidth, 0);
  directory.height = reader.number(kHeight, 0);
  directory.bits = reader.number(kBits, 1);
  directory.samples = reader.number(kSamples, 1);
  directory.color = color_of(image, directory, photometric);
  if (directory.color != TiffColor::cmyk) {
    directory.extra = extra_of(image, reader, directory.samples);
  } else if (reader.number(kExtraSamples, 0) != 0 ||
             (reader.find(kExtraSamples) != nullptr) != (directory.samples == 5)) {
    refuse(image, "samples of unknown meaning besides those of its four inks");
  }
  directory.is_ycbcr = photometric == kYcbcr;
  check_compression(image, reader.number(kCompression, kNone), photometric, directory.bits);
  check_layout(image, reader, directory);
  return directory;
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
