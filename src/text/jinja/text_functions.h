// What Python's methods of a text do.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace instructblip::jinja {

// Without the characters of `chars`, or without white space, at one end or both.
std::string stripped(std::string_view text, bool left, bool right,
                     const std::optional<std::string>& chars);
// upper, lower, casefold, swapcase, title or capitalize. Other letters than those of ASCII are
// refused where Python would change them by rules that are not known here.
std::string in_case(std::string_view rule, const std::string& text, int line);
// At most `most` cuts; below 0: any number.
std::vector<std::string> split_at(std::string_view text, std::string_view separator,
                                  std::int64_t most, bool from_right);
std::vector<std::string> split_at_space(std::string_view text, std::int64_t most);
std::vector<std::string> lines_of(std::string_view text, bool keep_ends = false);
// The first `most` of them; below 0: all.
std::string replaced(const std::string& text, const std::string& old, const std::string& by,
                     std::int64_t most, int line);
// isalpha, isdigit and their like, for the whole text. Digits outside of ASCII, and the case of
// letters outside of it, are refused.
bool is_made_of(std::string_view rule, const std::string& text, int line);
// `<`, `>`, `&` and quotes as HTML's entities.
std::string escaped_html(std::string_view text);
std::int64_t count_of(std::string_view text, std::string_view part);

}  // namespace instructblip::jinja
