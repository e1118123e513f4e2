// A line of a kernel's source, for the messages about it.
#pragma once

#include <cstdint>

namespace instructblip::emulator {

// What std::source_location is; clang 14 has none with GCC's library.
class Site {
 public:
  constexpr Site() = default;
  static constexpr Site current(const char* file = __builtin_FILE(),
                                std::uint32_t line = __builtin_LINE()) {
    Site site;
    site.file_ = file;
    site.line_ = line;
    return site;
  }
  constexpr const char* file_name() const { return file_; }
  constexpr std::uint32_t line() const { return line_; }

 private:
  const char* file_ = "";
  std::uint32_t line_ = 0;
};

}  // namespace instructblip::emulator
