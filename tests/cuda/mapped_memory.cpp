#include "cuda/mapped_memory.h"

#include <cuda_runtime_api.h>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <new>
#include <stdexcept>
#include <string>

namespace {

constexpr std::size_t kArenaBytes = std::size_t{3} << 30;
constexpr std::size_t kLine = 256;  // where a block begins, as that of cudaMalloc does

// Blocks of powers of two, and before each a line that says which. A larger one is taken where
// there is none of its own.
class Arena {
 public:
  void open() {
    void* memory = nullptr;
    const cudaError_t refused =
        cudaHostAlloc(&memory, kArenaBytes, cudaHostAllocMapped | cudaHostAllocPortable);
    if (refused != cudaSuccess) throw std::runtime_error(cudaGetErrorString(refused));
    begin_ = next_ = static_cast<std::byte*>(memory);
  }
  bool is_open() const { return begin_ != nullptr; }
  bool has(const void* block) const {
    return is_open() && block >= begin_ && block < begin_ + kArenaBytes;
  }

  void* take(std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    const auto power =
        static_cast<std::size_t>(std::bit_width((bytes < kLine ? kLine : bytes) - 1));
    if (free_[power] != nullptr) return take_free(power);
    const std::size_t size = kLine + (std::size_t{1} << power);
    if (size > static_cast<std::size_t>(begin_ + kArenaBytes - next_)) {
      for (std::size_t more = power; more < free_.size(); ++more) {
        if (free_[more] != nullptr) return take_free(more);
      }
      return nullptr;
    }
    std::byte* block = next_ + kLine;
    *reinterpret_cast<std::size_t*>(next_) = power;
    next_ += size;
    return block;
  }
  void give_back(void* block) {
    const std::lock_guard lock(mutex_);
    const std::size_t power =
        *reinterpret_cast<std::size_t*>(static_cast<std::byte*>(block) - kLine);
    free_[power] = new (block) Free{free_[power]};
  }

 private:
  struct Free {
    Free* next;
  };
  void* take_free(std::size_t power) {
    Free* first = free_[power];
    free_[power] = first->next;
    return first;
  }
  std::mutex mutex_;
  std::byte *begin_ = nullptr, *next_ = nullptr;
  std::array<Free*, 64> free_{};
};

constinit Arena arena;

void* allocate(std::size_t bytes, std::size_t alignment) {
  void* block = nullptr;
  if (arena.is_open()) {
    block = arena.take(bytes);
  } else {
    block = std::aligned_alloc(alignment, (bytes + alignment) / alignment * alignment);
  }
  if (block == nullptr) throw std::bad_alloc();
  return block;
}

void release(void* block) {
  if (arena.has(block)) {
    arena.give_back(block);
  } else {
    std::free(block);
  }
}

}  // namespace

void* operator new(std::size_t bytes) { return allocate(bytes, alignof(std::max_align_t)); }
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return allocate(bytes, static_cast<std::size_t>(alignment));
}
void operator delete(void* block) noexcept { release(block); }
void operator delete(void* block, std::size_t /*bytes*/) noexcept { release(block); }
void operator delete(void* block, std::align_val_t /*alignment*/) noexcept { release(block); }
void operator delete(void* block, std::size_t /*bytes*/, std::align_val_t /*alignment*/) noexcept {
  release(block);
}

void instructblip::test::open_mapped_memory() { arena.open(); }
