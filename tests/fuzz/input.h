// What every fuzz target shares: bytes as the readers take them, and which failures are none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

#include "instructblip/error.h"

namespace instructblip::fuzz {

struct Input {
  const std::uint8_t* data;
  std::size_t size;

  std::span<const std::uint8_t> bytes() const { return {data, size}; }
  std::span<const std::byte> raw() const { return std::as_bytes(bytes()); }
  std::string_view text() const { return {reinterpret_cast<const char*>(data), size}; }
};

// Calls `read`: an Error is how a reader refuses its input, and whatever else leaves it ends the
// run.
template <typename Read>
int refuse_or_read(Read&& read) {
  try {
    std::forward<Read>(read)();
  } catch (const Error&) {  // NOLINT(bugprone-empty-catch)
  }
  return 0;
}

}  // namespace instructblip::fuzz
