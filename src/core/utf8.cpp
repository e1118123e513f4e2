#include "core/utf8.h"

#include <algorithm>

namespace instructblip::utf8 {
namespace {

unsigned char byte_at(std::string_view text, std::size_t i) {
  return static_cast<unsigned char>(text[i]);
}

// The number of bytes that a lead byte announces; 0 for a byte that cannot lead.
std::size_t announced_length(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return 2;
  if (lead >= 0xE0 && lead <= 0xEF) return 3;
  if (lead >= 0xF0 && lead <= 0xF4) return 4;
  return 0;
}

// The second byte carries the rules against overlong forms, surrogates and values above U+10FFFF.
bool is_second_byte(unsigned char lead, unsigned char second) {
  unsigned char low = 0x80;
  unsigned char high = 0xBF;
  if (lead == 0xE0) low = 0xA0;
  if (lead == 0xED) high = 0x9F;
  if (lead == 0xF0) low = 0x90;
  if (lead == 0xF4) high = 0x8F;
  return second >= low && second <= high;
}

}  // namespace

Decoded decode(std::string_view text) {
  constexpr char32_t kReplacement = 0xFFFD;
  if (text.empty()) return {kReplacement, 0, false};
  const unsigned char lead = byte_at(text, 0);
  const std::size_t length = announced_length(lead);
  if (length == 0 || length > text.size()) return {kReplacement, 1, false};
  if (length == 1) return {lead, 1, true};
  if (!is_second_byte(lead, byte_at(text, 1))) return {kReplacement, 1, false};
  char32_t value = lead & (0x7Fu >> length);
  for (std::size_t i = 1; i < length; ++i) {
    const unsigned char next = byte_at(text, i);
    if ((next & 0xC0) != 0x80) return {kReplacement, 1, false};
    value = (value << 6) | (next & 0x3F);
  }
  return {value, length, true};
}

void append(std::string& out, char32_t c) {
  const auto put = [&out](char32_t byte) {
    out += static_cast<char>(static_cast<unsigned char>(byte));
  };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | (c >> 6));
    put(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    put(0xE0 | (c >> 12));
    put(0x80 | ((c >> 6) & 0x3F));
    put(0x80 | (c & 0x3F));
  } else {
    put(0xF0 | (c >> 18));
    put(0x80 | ((c >> 12) & 0x3F));
    put(0x80 | ((c >> 6) & 0x3F));
    put(0x80 | (c & 0x3F));
  }
}

std::optional<std::size_t> find_invalid(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    const Decoded decoded = decode(text.substr(at));
    if (!decoded.valid) return at;
    at += decoded.length;
  }
  return std::nullopt;
}

std::u32string to_utf32(std::string_view text) {
  std::u32string out;
  out.reserve(text.size());
  std::size_t at = 0;
  while (at < text.size()) {
    const Decoded decoded = decode(text.substr(at));
    out += decoded.code_point;
    at += decoded.length;
  }
  return out;
}

std::string from_utf32(std::u32string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char32_t c : text) append(out, c);
  return out;
}

std::string replace_invalid(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Decoded decoded = decode(text);
    std::size_t length = decoded.length;
    if (!decoded.valid && text.size() > 1 && announced_length(byte_at(text, 0)) > 1 &&
        is_second_byte(byte_at(text, 0), byte_at(text, 1))) {
      // A sequence that breaks off behind its second byte, of at most four.
      length = 2;
      if (announced_length(byte_at(text, 0)) == 4 && text.size() > 2 &&
          (byte_at(text, 2) & 0xC0) == 0x80) {
        length = 3;
      }
    }
    append(out, decoded.code_point);
    text.remove_prefix(length);
  }
  return out;
}

std::size_t complete_prefix(std::string_view text) {
  for (std::size_t back = 1; back <= std::min<std::size_t>(3, text.size()); ++back) {
    const std::size_t at = text.size() - back;
    const unsigned char lead = byte_at(text, at);
    if ((lead & 0xC0) == 0x80) continue;
    const std::size_t length = announced_length(lead);
    const bool second_fits = back < 2 || is_second_byte(lead, byte_at(text, at + 1));
    return length > back && second_fits ? at : text.size();
  }
  return text.size();
}

}  // namespace instructblip::utf8
