// Tokens of the form <0xHH>, one for each byte, that spell what a vocabulary lacks.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/vocabulary.h"

namespace instructblip {

// "<0x0A>" for 10.
inline std::string byte_token(unsigned char byte) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  return {'<', '0', 'x', kDigits[byte >> 4], kDigits[byte & 15], '>'};
}

// 10 for "<0x0A>", "<0x0a>" and, as in the reference, "<0x+A>".
inline std::optional<unsigned char> token_byte(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token.back() != '>') return std::nullopt;
  const auto digit = [](char c) -> int {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
  };
  const int high = token[3] == '+' ? 0 : digit(token[3]);
  const int low = digit(token[4]);
  if (high < 0 || low < 0) return std::nullopt;
  return static_cast<unsigned char>(high << 4 | low);
}

// Appends the byte tokens of `text`; false, and nothing appended, where the vocabulary lacks one.
inline bool append_byte_tokens(const Vocabulary& vocabulary, std::string_view text,
                               std::vector<std::int32_t>& ids) {
  const std::size_t before = ids.size();
  for (const char byte : text) {
    const auto id = vocabulary.find(byte_token(static_cast<unsigned char>(byte)));
    if (!id) {
      ids.resize(before);
      return false;
    }
    ids.push_back(*id);
  }
  return true;
}

}  // namespace instructblip
