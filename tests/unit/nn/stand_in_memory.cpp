#include "unit/nn/stand_in_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <mutex>
#include <new>

#include "unit/nn/stand_in_device.h"

namespace instructblip {
namespace {

constexpr std::size_t kAddresses = std::size_t{1} << 34;  // that are set aside
constexpr std::size_t kPage = 4096, kPiece = 256;

// One stretch of addresses, of which as much is opened as has ever been given out.
class Memory {
 public:
  Memory() {
    void* const place =
        mmap(nullptr, kAddresses, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (place == MAP_FAILED) throw std::bad_alloc();
    first_ = static_cast<char*>(place);
  }

  void* take(std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    const std::size_t size = (bytes + kPiece) / kPiece * kPiece;
    const auto found =
        std::ranges::find_if(free_, [&](const auto& hole) { return hole.second >= size; });
    std::size_t at = used_;
    if (found != free_.end()) {
      at = found->first;
      const std::size_t rest = found->second - size;
      free_.erase(found);
      if (rest > 0) free_[at + size] = rest;
    } else {
      if (used_ + size > kAddresses) throw std::bad_alloc();
      used_ += size;
      if (working_ > 0) protect(PROT_READ | PROT_WRITE);
    }
    taken_[at] = {size, list_ == nullptr ? 1 : 2};
    if (list_ != nullptr) list_->push_back({first_ + at, bytes});
    return first_ + at;
  }

  void give_back(void* address) {
    const std::lock_guard lock(mutex_);
    const auto at = static_cast<std::size_t>(static_cast<char*>(address) - first_);
    const auto taken = taken_.find(at);
    if (--taken->second.owners > 0) return;
    auto hole = free_.emplace(at, taken->second.size).first;
    taken_.erase(taken);
    const auto next = std::next(hole);
    if (next != free_.end() && hole->first + hole->second == next->first) {
      hole->second += next->second;
      free_.erase(next);
    }
    if (hole == free_.begin()) return;
    const auto before = std::prev(hole);
    if (before->first + before->second != hole->first) return;
    before->second += hole->second;
    free_.erase(hole);
  }

  void begin_work() {
    const std::lock_guard lock(mutex_);
    if (working_++ == 0) protect(PROT_READ | PROT_WRITE);
  }
  void end_work() {
    const std::lock_guard lock(mutex_);
    if (--working_ == 0) protect(PROT_NONE);
  }

  // While the device works.
  std::vector<std::byte> all() const {
    const auto* const first = reinterpret_cast<const std::byte*>(first_);
    return {first, first + used_};
  }
  void restore(const std::vector<std::byte>& all) { std::memcpy(first_, all.data(), all.size()); }

  void note(std::vector<Stretch>* list) {
    const std::lock_guard lock(mutex_);
    list_ = list;
  }

 private:
  void protect(int how) const {
    if (used_ > 0) mprotect(first_, (used_ + kPage - 1) / kPage * kPage, how);
  }

  std::mutex mutex_;
  char* first_;
  std::size_t used_ = 0;
  struct Taken {
    std::size_t size;
    int owners;
  };
  std::map<std::size_t, Taken> taken_;       // by offset
  std::map<std::size_t, std::size_t> free_;  // sizes by offset
  int working_ = 0;
  std::vector<Stretch>* list_ = nullptr;
};

Memory& memory() {
  static auto* const the_one =
      new Memory();  // tensors may outlive whatever ends before the program
  return *the_one;
}

void give_back(void* address) {
  settle_stand_in();
  memory().give_back(address);
}

class Allocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(std::size_t bytes) override {
    void* const taken = memory().take(bytes);
    return {taken, taken, &give_back, stand_in_device()};
  }
  void copy_data(void* to, const void* from, std::size_t count) const override {
    const Working working;
    std::memcpy(to, from, count);
  }
};

}  // namespace

c10::Allocator& stand_in_allocator() {
  static Allocator the_one;
  return the_one;
}

Working::Working() { memory().begin_work(); }
Working::~Working() { memory().end_work(); }

void note_stand_in_memory(std::vector<Stretch>* list) { memory().note(list); }
std::vector<std::byte> all_of_stand_in_memory() {
  const Working working;
  return memory().all();
}
void restore_stand_in_memory(const std::vector<std::byte>& all) {
  const Working working;
  memory().restore(all);
}
void release_stand_in_memory(const std::vector<Stretch>& list) {
  for (const Stretch& stretch : list) give_back(stretch.address);
}

}  // namespace instructblip
