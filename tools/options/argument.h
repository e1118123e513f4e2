// The value of one option, read whole and whatever the locale.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace instructblip::options {

// A value as typed, with the name of its option for messages: "--num-beams" on a command line,
// "num_beams" in JSON. Both are borrowed. Every reader throws Error(invalid_argument) unless the
// whole text is what it expects.
class Argument {
 public:
  Argument(std::string_view option, std::string_view text) : option_(option), text_(text) {}

  std::string text() const { return std::string(text_); }
  std::string path() const;  // not empty, no NUL

  int integer() const;
  std::int64_t count() const;  // at least 1
  std::uint64_t unsigned_integer() const;
  double number() const;                        // finite
  bool boolean() const;                         // true, false
  std::vector<std::int32_t> token_ids() const;  // "306,626"; "none" is an empty list
  std::vector<Argument> parts() const;          // "1,5": one for each comma and one more
  // "500MB": `least` or more; KB, MB and GB are powers of ten, KiB, MiB and GiB of two.
  std::int64_t bytes(std::int64_t least = 1) const;

  // The value that stands beside `text()` in `choices`.
  template <typename T>
  T one_of(const std::vector<std::pair<std::string_view, T>>& choices) const {
    std::vector<std::string_view> names;
    for (const auto& [name, value] : choices) {
      if (name == text_) return value;
      names.push_back(name);
    }
    fail_choice(names);
  }

  // "--num-beams: expected <expected>, got '<text>'".
  [[noreturn]] void fail(const std::string& expected) const;

 private:
  [[noreturn]] void fail_choice(const std::vector<std::string_view>& names) const;

  std::string_view option_, text_;
};

// `text` in quotes for a message: cut at 120 bytes, control bytes and the start of no UTF-8
// character escaped, so that an argument cannot drive the terminal.
std::string quote(std::string_view text);

}  // namespace instructblip::options
