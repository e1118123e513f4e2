// Shared memory, copies to it that arrive at their wait, and the barriers that count them.
#include <utility>

#include "kernels/cuda/emulator/engine.h"
#include "kernels/cuda/emulator/primitives.h"

namespace instructblip::emulator {
namespace {

void require(const std::string& wrong, const Site& where) {
  if (!wrong.empty()) engine().fail(wrong, where);
}

Mbarrier& mbarrier(std::uint32_t offset, const Site& where) {
  Thread& self = engine().self();
  require(self.block->memory.use_barrier(offset, self.clock), where);
  return self.block->mbarriers.at(offset);
}

// A phase ends when all arrivals are in and all bytes have come. Bytes come as late as they can:
// when somebody waits for them.
void end_phase_if_done(Mbarrier& barrier, SharedMemory& memory, bool wanted) {
  if (barrier.pending != 0 || barrier.expected_bytes != 0) return;
  if (!barrier.copies.empty() && barrier.waiting.empty() && !wanted) return;
  for (const BulkCopy& bulk : std::exchange(barrier.copies, {})) {
    memory.finish_copy(bulk.copy.to, bulk.copy.bytes, bulk.copy.from, bulk.issued, true);
  }
  barrier.completed = std::exchange(barrier.arriving, nullptr);
  barrier.pending = barrier.count;
  ++barrier.phase;
  for (Thread* thread : std::exchange(barrier.waiting, {})) {
    thread->clock.acquire(barrier.completed);
    engine().wake(*thread);
  }
}

}  // namespace

void read_shared(std::uint32_t offset, std::uint32_t bytes, void* to, bool late,
                 const Site& where) {
  Thread& self = engine().self();
  using Load = SharedMemory::Load;
  require(self.block->memory.read(offset, bytes, self.clock, late ? Load::late : Load::plain, to),
          where);
}

void write_shared(std::uint32_t offset, std::uint32_t bytes, const void* from, const Site& where) {
  Thread& self = engine().self();
  require(self.block->memory.write(offset, bytes, self.clock, from), where);
}

void copy_async(std::uint32_t offset, const void* from, bool valid, const Site& where) {
  Thread& self = engine().self();
  if (valid) check_global(from, 16, where);
  require(self.block->memory.begin_copy(offset, 16, self.clock), where);
  self.open_group.push_back({offset, 16, valid ? from : nullptr});
}

void commit_copies() {
  Thread& self = engine().self();
  self.groups.push_back(std::exchange(self.open_group, {}));
}

void wait_for_copies(std::uint32_t still_open, const Site& /*where*/) {
  Thread& self = engine().self();
  while (self.groups.size() > still_open) {
    for (const Copy& copy : self.groups.front()) {
      self.block->memory.finish_copy(copy.to, copy.bytes, copy.from, self.clock.now(), false);
    }
    self.groups.pop_front();
  }
}

void init_mbarrier(std::uint32_t offset, std::uint32_t count, const Site& where) {
  Thread& self = engine().self();
  if (count == 0) engine().fail("makes an mbarrier for nobody", where);
  require(self.block->memory.make_barrier(offset, self.clock), where);
  Mbarrier barrier;
  barrier.count = barrier.pending = count;
  self.block->mbarriers.emplace(offset, std::move(barrier));
}

void arrive_mbarrier(std::uint32_t offset, std::uint32_t expected_bytes, const Site& where) {
  Thread& self = engine().self();
  Mbarrier& barrier = mbarrier(offset, where);
  if (barrier.pending == 0) {
    engine().fail("arrives at an mbarrier at which everybody has arrived", where);
  }
  --barrier.pending;
  barrier.expected_bytes += expected_bytes;
  self.clock.release_to(barrier.arriving);
  end_phase_if_done(barrier, self.block->memory, false);
}

void wait_mbarrier(std::uint32_t offset, std::uint32_t parity, const Site& where) {
  Thread& self = engine().self();
  Mbarrier& barrier = mbarrier(offset, where);
  if ((barrier.phase & 1) != parity) {
    self.clock.acquire(barrier.completed);
    return;
  }
  end_phase_if_done(barrier, self.block->memory, true);
  if ((barrier.phase & 1) == parity) {
    barrier.waiting.push_back(&self);
    engine().wait("an mbarrier", where);
    return;
  }
  self.clock.acquire(barrier.completed);
  engine().yield();
}

void copy_bulk(std::uint32_t to, const void* from, std::uint32_t bytes, std::uint32_t offset,
               const Site& where) {
  Thread& self = engine().self();
  Mbarrier& barrier = mbarrier(offset, where);
  if (bytes % 16 != 0 || to % 16 != 0) {
    engine().fail("copies in bulk what is not aligned to 16 bytes", where);
  }
  check_global(from, 16, where);
  require(self.block->memory.begin_copy(to, bytes, self.clock), where);
  barrier.expected_bytes -= bytes;
  barrier.copies.push_back({{to, bytes, from}, self.clock.now()});
  self.clock.add_to(barrier.arriving);
  end_phase_if_done(barrier, self.block->memory, false);
}

}  // namespace instructblip::emulator
