// Numbers out of untrusted bytes: every access is checked against the end.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace instructblip {

enum class ByteOrder { little, big };

class ByteReader {
 public:
  ByteReader(std::span<const std::uint8_t> bytes, ByteOrder order) : bytes_(bytes), order_(order) {}

  // The number at `offset`; nothing where it does not lie wholly inside.
  std::optional<std::uint32_t> u16(std::uint64_t offset) const { return number(offset, 2); }
  std::optional<std::uint32_t> u24(std::uint64_t offset) const { return number(offset, 3); }
  std::optional<std::uint32_t> u32(std::uint64_t offset) const { return number(offset, 4); }

  bool has(std::uint64_t offset, std::uint64_t size) const {
    return offset <= bytes_.size() && size <= bytes_.size() - offset;
  }
  std::span<const std::uint8_t> bytes() const { return bytes_; }
  ByteOrder order() const { return order_; }

 private:
  std::optional<std::uint32_t> number(std::uint64_t offset, unsigned size) const {
    if (!has(offset, size)) return std::nullopt;
    std::uint32_t value = 0;
    for (unsigned i = 0; i < size; ++i) {
      const unsigned at = order_ == ByteOrder::big ? i : size - 1 - i;
      value = value << 8 | bytes_[static_cast<std::size_t>(offset) + at];
    }
    return value;
  }

  std::span<const std::uint8_t> bytes_;
  ByteOrder order_;
};

inline std::string_view as_text(std::span<const std::uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace instructblip
