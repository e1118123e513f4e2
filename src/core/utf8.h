// UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace instructblip::utf8 {

struct Decoded {
  char32_t code_point;  // U+FFFD where not valid
  std::size_t length;   // bytes to skip; 1 where not valid, 0 only for empty input
  bool valid;
};

// The first code point of `text`.
Decoded decode(std::string_view text);

void append(std::string& out, char32_t code_point);

// The offset of the first byte that is not valid UTF-8, or none.
std::optional<std::size_t> find_invalid(std::string_view text);

// Code points of valid UTF-8; each invalid byte becomes U+FFFD.
std::u32string to_utf32(std::string_view text);
std::string from_utf32(std::u32string_view text);

// Every longest start of a sequence that nothing completes, and every byte that starts none,
// becomes U+FFFD: Unicode 16, section 3.9, as Python and Rust decode.
std::string replace_invalid(std::string_view text);

// The length of the longest prefix that does not end inside a sequence that more bytes could
// complete.
std::size_t complete_prefix(std::string_view text);

}  // namespace instructblip::utf8
