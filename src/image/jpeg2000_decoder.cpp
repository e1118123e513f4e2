// The door to OpenJPEG.
//
// OpenCV reads JPEG 2000 with it too, but gives pictures of other depths than 8 bits and of YCC
// otherwise than Pillow does, and none with two components.
#include <openjpeg.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "image/cmyk.h"
#include "image/decoders.h"
#include "image/jpeg2000_head.h"

namespace instructblip {
namespace {

struct Source {
  std::span<const std::uint8_t> bytes;
  std::size_t position = 0;
};

OPJ_SIZE_T on_read(void* out, OPJ_SIZE_T size, void* user) {
  auto* source = static_cast<Source*>(user);
  const std::size_t count = std::min(size, source->bytes.size() - source->position);
  if (count == 0) return static_cast<OPJ_SIZE_T>(-1);
  std::memcpy(out, source->bytes.data() + source->position, count);
  source->position += count;
  return count;
}

OPJ_BOOL on_seek(OPJ_OFF_T position, void* user) {
  auto* source = static_cast<Source*>(user);
  if (position < 0 || static_cast<std::uint64_t>(position) > source->bytes.size()) return OPJ_FALSE;
  source->position = static_cast<std::size_t>(position);
  return OPJ_TRUE;
}

OPJ_OFF_T on_skip(OPJ_OFF_T count, void* user) {
  const auto from = static_cast<OPJ_OFF_T>(static_cast<Source*>(user)->position);
  return on_seek(from + count, user) ? count : -1;
}

// The first complaint is the reason; others follow from it.
void on_message(const char* message, void* user) {
  auto* kept = static_cast<std::string*>(user);
  if (kept->empty()) *kept = message;
}

// A part of the picture that is stored as one. Its samples lie component by component, in one byte
// each or two in the machine's order.
struct Tile {
  OPJ_UINT32 index = 0, bytes = 0, components = 0;
  OPJ_INT32 left = 0, top = 0, right = 0, bottom = 0;  // on the reference grid of the picture
  std::vector<std::uint8_t> samples;

  std::size_t width() const { return static_cast<std::size_t>(right - left); }
  std::size_t height() const { return static_cast<std::size_t>(bottom - top); }
};

// Tile by tile, as Pillow reads them: OpenJPEG's decoding of whole pictures converts colours.
class Jpeg2000Reader {
 public:
  Jpeg2000Reader(const EncodedImage& image, const Jpeg2000Head& head)
      : image_(image),
        source_{image.bytes},
        codec_(opj_create_decompress(head.is_boxed ? OPJ_CODEC_JP2 : OPJ_CODEC_J2K),
               opj_destroy_codec),
        stream_(opj_stream_create(1 << 16, OPJ_TRUE), opj_stream_destroy) {
    if (codec_ == nullptr || stream_ == nullptr) throw std::bad_alloc();
    opj_stream_set_read_function(stream_.get(), on_read);
    opj_stream_set_seek_function(stream_.get(), on_seek);
    opj_stream_set_skip_function(stream_.get(), on_skip);
    opj_stream_set_user_data(stream_.get(), &source_, nullptr);
    opj_stream_set_user_data_length(stream_.get(), image.bytes.size());
    opj_set_error_handler(codec_.get(), on_message, &message_);
    opj_set_warning_handler(codec_.get(), on_message, &message_);
    opj_dparameters_t parameters;
    opj_set_default_decoder_parameters(&parameters);
    check(opj_setup_decoder(codec_.get(), &parameters));
    opj_image_t* picture = nullptr;
    const OPJ_BOOL read = opj_read_header(stream_.get(), codec_.get(), &picture);
    picture_.reset(picture);
    check(read);
  }

  // False behind the last one.
  bool read(Tile& tile) {
    OPJ_BOOL is_there = OPJ_FALSE;
    check(opj_read_tile_header(codec_.get(), stream_.get(), &tile.index, &tile.bytes, &tile.left,
                               &tile.top, &tile.right, &tile.bottom, &tile.components, &is_there));
    if (!is_there) return false;
    tile.samples.resize(tile.bytes);
    check(opj_decode_tile_data(codec_.get(), tile.index, tile.samples.data(), tile.bytes,
                               stream_.get()));
    return true;
  }

  void finish() { check(opj_end_decompress(codec_.get(), stream_.get())); }

  [[noreturn]] void fail(std::string what) const {
    while (!what.empty() && static_cast<unsigned char>(what.back()) <= ' ') what.pop_back();
    image_.fail_bad("JPEG 2000: " + (what.empty() ? "the picture is damaged" : what));
  }

 private:
  // Warnings too are about damage: parts that are missing, or that cannot be.
  void check(OPJ_BOOL done) const {
    if (done == OPJ_FALSE || !message_.empty()) fail(message_);
  }

  const EncodedImage& image_;
  Source source_;
  std::string message_;
  std::unique_ptr<opj_codec_t, void (*)(opj_codec_t*)> codec_;
  std::unique_ptr<opj_stream_t, void (*)(opj_stream_t*)> stream_;
  std::unique_ptr<opj_image_t, void (*)(opj_image_t*)> picture_{nullptr, opj_image_destroy};
};

// Pillow's integers for YCbCr, with six bits behind the point.
void convert_ycc(std::uint8_t* pixel) {
  const auto scaled = [](double factor, int chroma) {
    return static_cast<int>(factor * (chroma - 128) * 64 + 0.5);
  };
  const int y = pixel[0], cb = pixel[1], cr = pixel[2];
  const std::array<int, 3> rgb = {y + (scaled(1.402, cr) >> 6),
                                  y + ((scaled(-0.34414, cb) + scaled(-0.71414, cr)) >> 6),
                                  y + (scaled(1.772, cb) >> 6)};
  for (std::size_t channel = 0; channel < rgb.size(); ++channel) {
    pixel[channel] = static_cast<std::uint8_t>(std::clamp(rgb[channel], 0, 255));
  }
}

// Turns samples into RGB or RGBA as Pillow does: those of other depths are shifted to eight bits
// with half of what is lost added first, and grey of more than eight bits is clipped.
class Jpeg2000Samples {
 public:
  explicit Jpeg2000Samples(const Jpeg2000Head& head)
      : head_(head),
        shift_(8 - static_cast<int>(head.bits)),
        offset_((head.is_signed ? 1 << (head.bits - 1) : 0) +
                (shift_ < 0 ? 1 << (-shift_ - 1) : 0)) {}

  bool is_grey() const { return head_.components <= 2; }
  bool has_alpha() const { return head_.components % 2 == 0 && head_.color != Jpeg2000Color::cmyk; }
  std::size_t sample_bytes() const { return head_.bits > 8 ? 2 : 1; }

  void convert(const Tile& tile, std::size_t row, std::uint8_t* out) const {
    const std::size_t plane = tile.width() * tile.height() * sample_bytes();
    const std::uint8_t* in = tile.samples.data() + row * tile.width() * sample_bytes();
    const std::size_t colors = is_grey() ? 1 : 3;
    for (std::size_t x = 0; x < tile.width(); ++x, in += sample_bytes()) {
      for (std::size_t channel = 0; channel < 3; ++channel) {
        out[channel] = color(in + std::min(channel, colors - 1) * plane);
      }
      if (head_.color == Jpeg2000Color::ycc) convert_ycc(out);
      if (head_.color == Jpeg2000Color::cmyk) {
        const std::uint8_t inks[] = {out[0], out[1], out[2], value(in + colors * plane)};
        cmyk_to_rgb(inks, out);
      }
      if (has_alpha()) out[3] = value(in + colors * plane);
      out += has_alpha() ? 4 : 3;
    }
  }

 private:
  unsigned word(const std::uint8_t* in) const {
    if (sample_bytes() == 1) return *in;
    std::uint16_t wide;
    std::memcpy(&wide, in, sizeof wide);
    return wide;
  }

  std::uint8_t value(const std::uint8_t* in) const {
    const unsigned sum = static_cast<unsigned>(offset_) + word(in);
    return static_cast<std::uint8_t>(shift_ < 0 ? sum >> -shift_ : sum << shift_);
  }

  std::uint8_t color(const std::uint8_t* in) const {
    if (head_.components != 1 || head_.bits <= 8) return value(in);
    const unsigned wide = word(in) + (head_.is_signed ? 1U << (head_.bits - 1) : 0);
    return static_cast<std::uint8_t>(std::min((wide << (16 - head_.bits)) & 0xFFFFU, 255U));
  }

  const Jpeg2000Head& head_;
  int shift_, offset_;
};

}  // namespace

Pixels decode_jpeg2000(const EncodedImage& image) {
  const Jpeg2000Head head = read_jpeg2000_head(image);
  const Jpeg2000Samples samples(head);
  const std::uint32_t width = head.right - head.left, height = head.bottom - head.top;
  Jpeg2000Reader reader(image, head);
  Pixels pixels = Pixels::of_size(static_cast<int>(width), static_cast<int>(height),
                                  samples.has_alpha() ? 4 : 3);
  std::vector<bool> seen(head.tiles);
  std::uint64_t done = 0;  // pixels
  Tile tile;
  while (reader.read(tile)) {
    const bool inside = tile.left >= static_cast<OPJ_INT32>(head.left) && tile.left < tile.right &&
                        tile.right <= static_cast<OPJ_INT32>(head.right) &&
                        tile.top >= static_cast<OPJ_INT32>(head.top) && tile.top < tile.bottom &&
                        tile.bottom <= static_cast<OPJ_INT32>(head.bottom);
    if (!inside || tile.components != head.components || tile.index >= head.tiles ||
        seen[tile.index] ||
        tile.bytes < tile.width() * tile.height() * head.components * samples.sample_bytes()) {
      reader.fail("a tile that cannot be");
    }
    seen[tile.index] = true;
    done += std::uint64_t{tile.width()} * tile.height();
    const auto left = static_cast<std::uint32_t>(tile.left) - head.left;
    const auto top = static_cast<std::uint32_t>(tile.top) - head.top;
    for (std::size_t row = 0; row < tile.height(); ++row) {
      samples.convert(tile, row,
                      pixels.row(static_cast<int>(top + row)) +
                          std::size_t{left} * static_cast<std::size_t>(pixels.channels));
    }
  }
  if (done != std::uint64_t{width} * height) reader.fail("parts of the picture are missing");
  reader.finish();
  return pixels;
}

}  // namespace instructblip
