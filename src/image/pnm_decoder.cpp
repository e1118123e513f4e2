// PBM, PGM and PPM, plain or raw, as Pillow reads them: that is where numbers may stand, how a
// comment joins what stands around it, and how samples become eight bits.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "image/byte_reader.h"
#include "image/decoders.h"
#include "image/image_info.h"

namespace instructblip {
namespace {

constexpr std::size_t kTokenBytes = 10;
constexpr int kMostValue = 65'535;

bool is_space(char c) { return std::string_view(" \t\n\v\f\r").find(c) != std::string_view::npos; }

struct PnmHead {
  bool plain = false;  // numbers as text
  bool bits = false;   // black and white, 1 is black
  int channels = 1;
  std::int64_t width = 0, height = 0;
  int most = 1;  // the value of white
};

class PnmReader {
 public:
  explicit PnmReader(const EncodedImage& image) : image_(image), text_(as_text(image.bytes)) {}

  PnmHead read_head() {
    const int kind = text_[1] - '0';
    at_ = 3;
    PnmHead head;
    head.plain = kind <= 3;
    head.bits = kind % 3 == 1;
    head.channels = kind % 3 == 0 ? 3 : 1;
    head.width = number("width");
    head.height = number("height");
    if (!head.bits) {
      const std::int64_t most = number("the largest value");
      if (most < 1 || most > kMostValue) {
        fail("the largest value is " + std::to_string(most) + ", expected 1 to " +
             std::to_string(kMostValue));
      }
      head.most = static_cast<int>(most);
    }
    return head;
  }

  // A number of a plain picture.
  int sample(int most) {
    const std::int64_t value = number("a sample");
    if (value > most) {
      fail("a sample of " + std::to_string(value) + ", expected at most " + std::to_string(most));
    }
    return static_cast<int>(value);
  }

  // A sample of a plain picture of bits, which need no space between them: 0 or 1.
  int bit() {
    skip_spaces();
    if (at_ == text_.size()) fail_cut();
    const char c = text_[at_++];
    if (c != '0' && c != '1') fail("a sample that is neither 0 nor 1");
    return c - '0';
  }

  // The next bytes of a raw picture.
  const std::uint8_t* row(std::size_t bytes) {
    if (bytes > text_.size() - at_) fail_cut();
    const std::uint8_t* begin = image_.bytes.data() + at_;
    at_ += bytes;
    return begin;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const { image_.fail_bad("PNM: " + what); }
  [[noreturn]] void fail_cut() const { fail("the picture is cut short"); }

  // From # to the end of the line, which is nothing: what stands before and after it is joined.
  void skip_comments() {
    while (at_ < text_.size() && text_[at_] == '#') {
      const std::size_t end = text_.find_first_of("\r\n", at_);
      at_ = end == text_.npos ? text_.size() : end + 1;
    }
  }

  void skip_spaces() {
    skip_comments();
    while (at_ < text_.size() && is_space(text_[at_])) {
      ++at_;
      skip_comments();
    }
  }

  // And the one space behind it.
  std::int64_t number(const std::string& what) {
    skip_spaces();
    std::string token;
    for (; at_ < text_.size() && !is_space(text_[at_]); skip_comments()) {
      token += text_[at_++];
      if (token.size() > kTokenBytes) fail(what + " has too many digits");
    }
    if (at_ < text_.size()) ++at_;
    if (token.empty()) fail_cut();
    std::int64_t value = 0;
    const char* const last = token.data() + token.size();
    const auto [end, fault] = std::from_chars(token.data(), last, value);
    if (fault != std::errc() || end != last || value < 0) fail(what + " is not a number");
    return value;
  }

  const EncodedImage& image_;
  std::string_view text_;
  std::size_t at_ = 0;
};

// What each value becomes. Of grey with more than 255 levels Pillow makes 65,536, and clips them.
std::vector<std::uint8_t> levels_of(const PnmHead& head) {
  const bool wide = head.channels == 1 && head.most > 255;
  const double white = wide ? 65'535 : 255;
  std::vector<std::uint8_t> levels(head.most > 255 ? kMostValue + 1 : 256);
  for (std::size_t value = 0; value < levels.size(); ++value) {
    const double level = std::nearbyint(static_cast<double>(value) / head.most * white);
    levels[value] = static_cast<std::uint8_t>(std::min(level, 255.0));
  }
  return levels;
}

void read_bits(PnmReader& reader, const PnmHead& head, std::uint8_t* out) {
  const auto width = static_cast<std::size_t>(head.width);
  const std::uint8_t* in = head.plain ? nullptr : reader.row((width + 7) / 8);
  for (std::size_t x = 0; x < width; ++x, out += 3) {
    const int bit = head.plain ? reader.bit() : in[x / 8] >> (7 - x % 8) & 1;
    std::memset(out, bit == 1 ? 0 : 255, 3);
  }
}

void read_levels(PnmReader& reader, const PnmHead& head, const std::vector<std::uint8_t>& levels,
                 std::uint8_t* out) {
  const auto channels = static_cast<std::size_t>(head.channels);
  const std::size_t count = static_cast<std::size_t>(head.width) * channels;
  const std::size_t bytes = head.most > 255 ? 2 : 1;
  const std::uint8_t* in = head.plain ? nullptr : reader.row(count * bytes);
  for (std::size_t i = 0; i < count; ++i) {
    const int value = head.plain   ? reader.sample(head.most)
                      : bytes == 2 ? in[2 * i] << 8 | in[2 * i + 1]
                                   : in[i];
    const std::uint8_t level = levels[static_cast<std::size_t>(value)];
    if (channels == 1) {
      std::memset(out + 3 * i, level, 3);
    } else {
      out[i] = level;
    }
  }
}

}  // namespace

bool is_pnm(std::string_view text) {
  constexpr std::string_view kKinds = "123456", kSpaces = " \t\n\v\f\r";
  return text.size() > 2 && text[0] == 'P' && kKinds.find(text[1]) != kKinds.npos &&
         kSpaces.find(text[2]) != kSpaces.npos;
}

Pixels decode_pnm(const EncodedImage& image) {
  PnmReader reader(image);
  const PnmHead head = reader.read_head();
  Pixels pixels = Pixels::of_size(static_cast<int>(head.width), static_cast<int>(head.height), 3);
  const std::vector<std::uint8_t> levels = levels_of(head);
  for (int y = 0; y < pixels.height; ++y) {
    if (head.bits) {
      read_bits(reader, head, pixels.row(y));
    } else {
      read_levels(reader, head, levels, pixels.row(y));
    }
  }
  return pixels;
}

ImageInfo read_pnm_info(const EncodedImage& image) {
  const PnmHead head = PnmReader(image).read_head();
  ImageInfo info;
  info.width = head.width;
  info.height = head.height;
  return info;
}

}  // namespace instructblip
