// The door to giflib.
//
// giflib takes the file apart into blocks, colour tables and codes. The strings that codes stand
// for are put together here: giflib's own functions invent pixels for codes that cannot be, and a
// damaged file would become a picture. Where a file leaves a choice, it is Pillow's.
#include <gif_lib.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include "image/byte_reader.h"
#include "image/decoders.h"
#include "image/image_info.h"

namespace instructblip {
namespace {

using Color = std::array<std::uint8_t, 4>;  // R G B A
using ColorTable = std::array<Color, 256>;

// What giflib's reading function gets.
struct GifSource {
  std::span<const std::uint8_t> unread;
  bool is_cut = false;
};

int read_bytes(GifFileType* gif, GifByteType* out, int size) {
  auto* source = static_cast<GifSource*>(gif->UserData);
  const auto count = static_cast<std::size_t>(size);
  if (count > source->unread.size()) {
    source->is_cut = true;
    std::memset(out, 0, count);
    return 0;
  }
  std::memcpy(out, source->unread.data(), count);
  source->unread = source->unread.subspan(count);
  return size;
}

struct GifClose {
  void operator()(GifFileType* gif) const { DGifCloseFile(gif, nullptr); }
};

// Stands behind the head of the first frame, where its codes begin; later frames are not looked at.
class GifReader {
 public:
  explicit GifReader(const EncodedImage& image) : image_(image), source_{image.bytes} {
    int error = D_GIF_SUCCEEDED;
    gif_.reset(DGifOpen(&source_, read_bytes, &error));
    if (gif_ == nullptr) fail(error, "the head is damaged");
    while (next_record() != IMAGE_DESC_RECORD_TYPE) read_extension();
    check(DGifGetImageHeader(gif_.get()), "the code size is not 2 to 8 bits");
    // The last byte of the head. One bit is widened at once by some encoders and never by Pillow.
    code_bits_ = image.bytes[image.bytes.size() - source_.unread.size() - 1];
    if (code_bits_ < 2) fail(D_GIF_SUCCEEDED, "the code size is not 2 to 8 bits");
    if (frame().Width < 1 || frame().Height < 1) fail(D_GIF_SUCCEEDED, "a frame without pixels");
  }

  GifReader(const GifReader&) = delete;
  GifReader& operator=(const GifReader&) = delete;

  const GifImageDesc& frame() const { return gif_->Image; }
  // The logical screen, grown where the frame reaches beyond it.
  int width() const { return std::max(gif_->SWidth, frame().Left + frame().Width); }
  int height() const { return std::max(gif_->SHeight, frame().Top + frame().Height); }
  int transparent() const { return transparent_; }  // an index of the palette; -1 = none

  ColorTable palette() const;
  // Indices of the frame, rows in the order of the file. [frame().Height, frame().Width]
  std::unique_ptr<std::uint8_t[]> read_indices();

 private:
  GifRecordType next_record();
  void read_extension();
  void next_block(GifByteType** block) {
    check(DGifGetExtensionNext(gif_.get(), block), "an extension is damaged");
  }
  void check(int result, const char* what) const {
    if (result == GIF_ERROR) fail(gif_->Error, what);
  }
  [[noreturn]] void fail(int error, const std::string& what) const {
    if (error == D_GIF_ERR_NOT_ENOUGH_MEM) throw std::bad_alloc();
    image_.fail_bad("GIF: " + (source_.is_cut ? "the file is cut short" : what));
  }

  const EncodedImage& image_;
  GifSource source_;
  std::unique_ptr<GifFileType, GifClose> gif_;
  int transparent_ = NO_TRANSPARENT_COLOR;
  int code_bits_ = 0;
};

GifRecordType GifReader::next_record() {
  GifRecordType type = UNDEFINED_RECORD_TYPE;
  while (DGifGetRecordType(gif_.get(), &type) == GIF_ERROR) {
    // Stray bytes between blocks are passed over.
    if (source_.is_cut || gif_->Error != D_GIF_ERR_WRONG_RECORD) fail(gif_->Error, "no picture");
  }
  if (type == TERMINATE_RECORD_TYPE) fail(D_GIF_SUCCEEDED, "no picture");
  return type;
}

// Pillow goes on to a second list of blocks where the first is empty and no comment, and where
// nothing follows the name of the Netscape extension.
void GifReader::read_extension() {
  int label = 0;
  GifByteType* block = nullptr;  // its length, then its bytes; null at the end of the list
  check(DGifGetExtension(gif_.get(), &label, &block), "an extension is damaged");
  if (label == COMMENT_EXT_FUNC_CODE) {
    while (block != nullptr) next_block(&block);
    return;
  }
  if (label == GRAPHICS_EXT_FUNC_CODE && block != nullptr) {
    const bool has_transparent = (block[1] & 1) != 0;
    if (block[0] < (has_transparent ? 4 : 3)) {
      fail(D_GIF_SUCCEEDED, "a graphic control of " + std::to_string(block[0]) + " bytes");
    }
    if (has_transparent) transparent_ = block[4];
  }
  if (label == APPLICATION_EXT_FUNC_CODE && block != nullptr &&
      as_text({block + 1, block[0]}).starts_with("NETSCAPE2.0")) {
    next_block(&block);
  }
  do next_block(&block);
  while (block != nullptr);
}

// Null for a table that says nothing: level i for index i.
const ColorMapObject* meaningful(const ColorMapObject* map) {
  for (int i = 0; map != nullptr && i < map->ColorCount; ++i) {
    const GifColorType& color = map->Colors[i];
    if (color.Red != i || color.Green != i || color.Blue != i) return map;
  }
  return nullptr;
}

ColorTable GifReader::palette() const {
  // A local table that says nothing gives way to the global one, as in Pillow's convert().
  const ColorMapObject* map = meaningful(frame().ColorMap);
  if (map == nullptr) map = meaningful(gif_->SColorMap);
  ColorTable palette;
  for (std::size_t i = 0; i < palette.size(); ++i) {
    const auto grey = static_cast<std::uint8_t>(i);
    palette[i] = map == nullptr ? Color{grey, grey, grey, 255} : Color{0, 0, 0, 255};
  }
  for (int i = 0; map != nullptr && i < map->ColorCount; ++i) {
    const GifColorType& color = map->Colors[i];
    palette[static_cast<std::size_t>(i)] = {color.Red, color.Green, color.Blue, 255};
  }
  if (transparent_ >= 0) palette[static_cast<std::size_t>(transparent_)][3] = 0;
  return palette;
}

std::unique_ptr<std::uint8_t[]> GifReader::read_indices() {
  // A string is the one before it and the index after that, so it stands where they were written.
  struct String {
    std::size_t at, length;
  };
  constexpr int kMaxCodes = 4096;
  std::vector<String> strings(kMaxCodes);
  const int clear = 1 << code_bits_;
  int next = 0;  // the code that the next string gets; 0 = no string comes before it
  String previous{};
  const std::size_t size =
      static_cast<std::size_t>(frame().Width) * static_cast<std::size_t>(frame().Height);
  auto indices = std::make_unique_for_overwrite<std::uint8_t[]>(size);
  for (std::size_t at = 0; at < size;) {
    int code = 0;
    check(DGifGetLZCodes(gif_.get(), &code), "the picture is damaged");
    if (code < 0) fail(D_GIF_SUCCEEDED, "the picture ends before its last pixel");
    if (code == clear) {
      next = 0;
      continue;
    }
    if (code > (next == 0 ? clear : next)) fail(D_GIF_SUCCEEDED, "the picture is damaged");
    String string{at, 1};
    if (code < clear) {
      indices[at++] = static_cast<std::uint8_t>(code);
    } else {
      const String from = code == next ? String{previous.at, previous.length + 1}
                                       : strings[static_cast<std::size_t>(code)];
      string.length = std::min(from.length, size - at);
      // Forwards: the string of `next` ends with the index that is written first.
      for (std::size_t i = 0; i < string.length; ++i) indices[at++] = indices[from.at + i];
    }
    if (next == 0) {
      next = clear + 2;
    } else if (next < kMaxCodes) {
      strings[static_cast<std::size_t>(next++)] = {previous.at, previous.length + 1};
    }
    previous = string;
  }
  return indices;
}

// Per row of the frame, its place in the file.
std::vector<int> places_of_rows(const GifImageDesc& frame) {
  std::vector<int> places(static_cast<std::size_t>(frame.Height));
  struct Pass {
    int first, step;
  };
  constexpr std::array kInterlaced = {Pass{0, 8}, Pass{4, 8}, Pass{2, 4}, Pass{1, 2}};
  constexpr std::array kPlain = {Pass{0, 1}};
  int place = 0;
  for (const Pass& pass : frame.Interlace ? std::span<const Pass>(kInterlaced) : kPlain) {
    for (int y = pass.first; y < frame.Height; y += pass.step) {
      places[static_cast<std::size_t>(y)] = place++;
    }
  }
  return places;
}

}  // namespace

ImageInfo read_gif_info(const EncodedImage& image) {
  const GifReader reader(image);
  ImageInfo info;
  info.width = reader.width();
  info.height = reader.height();
  return info;
}

Pixels decode_gif(const EncodedImage& image) {
  GifReader reader(image);
  const GifImageDesc& frame = reader.frame();
  const auto indices = reader.read_indices();
  const std::vector<int> places = places_of_rows(frame);
  const ColorTable palette = reader.palette();
  const bool has_alpha = reader.transparent() >= 0;
  const auto around = static_cast<std::uint8_t>(has_alpha ? reader.transparent() : 0);
  Pixels pixels = Pixels::of_size(reader.width(), reader.height(), has_alpha ? 4 : 3);
  const auto channels = static_cast<std::size_t>(pixels.channels);
  for (int y = 0; y < pixels.height; ++y) {
    const bool crosses = y >= frame.Top && y < frame.Top + frame.Height;
    const int place = crosses ? places[static_cast<std::size_t>(y - frame.Top)] : 0;
    const std::uint8_t* in =
        indices.get() + static_cast<std::size_t>(place) * static_cast<std::size_t>(frame.Width);
    std::uint8_t* out = pixels.row(y);
    for (int x = 0; x < pixels.width; ++x, out += channels) {
      const bool inside = crosses && x >= frame.Left && x < frame.Left + frame.Width;
      std::memcpy(out, palette[inside ? in[x - frame.Left] : around].data(), channels);
    }
  }
  return pixels;
}

}  // namespace instructblip
