#include "text/charsmap.h"

#include <utility>

#include "core/errors.h"
#include "core/utf8.h"

namespace instructblip {
namespace {

std::uint32_t little_endian(std::string_view bytes) {
  std::uint32_t value = 0;
  for (std::size_t i = 4; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

// A unit of the trie, as the darts-clone library packs it.
struct Unit {
  std::uint32_t bits;
  bool has_leaf() const { return (bits >> 8 & 1) != 0; }
  std::uint32_t value() const { return bits & 0x7FFFFFFFu; }
  std::uint32_t label() const { return bits & 0x800000FFu; }
  std::uint32_t offset() const { return bits >> 10 << ((bits & 1u << 9) >> 6); }
};

[[noreturn]] void fail(const std::string& where, const std::string& why) {
  throw Error(ErrorCode::bad_model, where + ": " + why);
}

}  // namespace

Charsmap Charsmap::parse(std::string_view blob, const std::string& where) {
  if (blob.size() < 4) fail(where, "expected at least 4 bytes, got " + std::to_string(blob.size()));
  const std::uint32_t trie_bytes = little_endian(blob);
  blob.remove_prefix(4);
  if (trie_bytes > blob.size() || trie_bytes < 4) {
    fail(where, "expected a trie inside the " + std::to_string(blob.size()) +
                    " bytes present, got a length of " + std::to_string(trie_bytes));
  }
  Charsmap map;
  map.trie_.resize(trie_bytes / 4);
  for (std::size_t i = 0; i < map.trie_.size(); ++i) {
    map.trie_[i] = little_endian(blob.substr(4 * i, 4));
  }
  map.replacements_ = blob.substr(map.trie_.size() * 4);
  if (utf8::find_invalid(map.replacements_)) fail(where, "the replacements are not valid UTF-8");
  return map;
}

std::optional<std::u32string> Charsmap::transform(std::u32string_view text) const {
  std::size_t node = Unit{trie_.front()}.offset();
  for (const char32_t code : text) {
    std::string bytes;
    utf8::append(bytes, code);
    for (const char byte : bytes) {
      const std::uint32_t label = static_cast<unsigned char>(byte);
      node ^= label;
      if (label == 0 || node >= trie_.size()) return std::nullopt;
      const Unit unit{trie_[node]};
      if (unit.label() != label) return std::nullopt;
      node ^= unit.offset();
      if (!unit.has_leaf()) continue;
      if (node >= trie_.size()) return std::nullopt;
      const std::size_t begin = Unit{trie_[node]}.value();
      if (begin > replacements_.size()) return std::nullopt;
      const std::size_t end = replacements_.find('\0', begin);
      return utf8::to_utf32(std::string_view(replacements_).substr(begin, end - begin));
    }
  }
  return std::nullopt;
}

std::string decode_base64(std::string_view text, const std::string& where) {
  const auto digit = [](char c) -> int {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
  };
  if (text.size() % 4 != 0) fail(where, "expected base64 in groups of four characters");
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with("=") ? 1 : 0;
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3);
  for (std::size_t i = 0; i < text.size(); i += 4) {
    const std::size_t digits = i + 4 == text.size() ? 4 - padding : 4;
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 4; ++k) {
      const int value = k < digits ? digit(text[i + k]) : 0;
      if (value < 0) fail(where, "expected base64, got " + quote(text.substr(i, 4)));
      group = group << 6 | static_cast<std::uint32_t>(value);
    }
    for (std::size_t k = 0; k + 1 < digits; ++k) {
      bytes += static_cast<char>(group >> (16 - 8 * k) & 0xFF);
    }
  }
  return bytes;
}

}  // namespace instructblip
