#include "core/pages.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <fstream>
#include <new>
#include <string>

namespace instructblip {
namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20;

std::byte* next_huge_page(void* address) {
  const auto at = reinterpret_cast<std::uintptr_t>(address);
  return reinterpret_cast<std::byte*>((at + kHugePage - 1) / kHugePage * kHugePage);
}

}  // namespace

void drop_pages(std::span<const std::byte> range) noexcept {
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = reinterpret_cast<std::uintptr_t>(range.data());
  const std::uintptr_t first = (begin + page - 1) / page * page;
  const std::uintptr_t last = (begin + range.size()) / page * page;
  if (first < last) ::madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
}

Pages::Pages(std::size_t bytes, PageSize size) : length_(bytes + kHugePage) {
  if (bytes > SIZE_MAX - kHugePage) throw std::bad_alloc();
  mapped_ = ::mmap(nullptr, length_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped_ == MAP_FAILED) throw std::bad_alloc();
  bytes_ = {next_huge_page(mapped_), bytes};
  // Advice: where the system does not take it, pages are as it pleases. What is left behind the
  // last whole huge page would be filled up with memory that nobody uses.
  ::madvise(mapped_, length_, MADV_NOHUGEPAGE);
  if (size == PageSize::huge) {
    ::madvise(bytes_.data(), bytes / kHugePage * kHugePage, MADV_HUGEPAGE);
  }
}

Pages::~Pages() { ::munmap(mapped_, length_); }

// In /proc/self/smaps each mapping begins with its addresses, in hexadecimal without 0x; a mapping
// may have been put together with a neighbour.
std::ptrdiff_t Pages::huge_bytes() const {
  std::ifstream maps("/proc/self/smaps");
  const auto ours = reinterpret_cast<std::uintptr_t>(bytes_.data());
  bool inside = false;
  for (std::string line; std::getline(maps, line);) {
    const std::size_t dash = line.find('-');
    if (dash != std::string::npos && line.find(':') > dash) {
      const auto begin = std::stoull(line, nullptr, 16);
      inside = begin <= ours && ours < std::stoull(line.substr(dash + 1), nullptr, 16);
    } else if (inside && line.starts_with("AnonHugePages:")) {
      return std::stoll(line.substr(line.find(':') + 1)) * 1024;
    }
  }
  return -1;
}

}  // namespace instructblip
