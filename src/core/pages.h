// Memory straight from the system, whose pages are of a size that is asked for.
#pragma once

#include <cstddef>
#include <span>

namespace instructblip {

// 2 MiB instead of 4 KiB, where the system has any: a processor then spends less time on finding
// where an address lies, which is a quarter of the time of reading a large matrix.
enum class PageSize { ordinary, huge };

// Takes those pages that lie wholly inside the range out of memory: touched again, they hold what
// their file holds, or zeros where there is none.
void drop_pages(std::span<const std::byte> range) noexcept;

// Zeros at first. Not copyable; owns its memory.
class Pages {
 public:
  // Throws std::bad_alloc. Huge pages are a wish: without them the memory is ordinary.
  Pages(std::size_t bytes, PageSize size);
  ~Pages();
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;

  // Begins where a huge page does.
  std::span<std::byte> bytes() const { return bytes_; }
  // How much of it lies in huge pages now; -1 where the system does not tell.
  std::ptrdiff_t huge_bytes() const;

 private:
  void* mapped_;
  std::size_t length_;
  std::span<std::byte> bytes_;
};

}  // namespace instructblip
