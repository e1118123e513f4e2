#include "kernels/cuda/emulator/shared_memory.h"

#include <algorithm>
#include <cstring>

namespace instructblip::emulator {
namespace {

constexpr std::uint32_t kCell = 2;  // bytes

std::string number(std::size_t value) { return std::to_string(value); }

}  // namespace

SharedMemory::SharedMemory(std::size_t bytes, std::uint32_t threads)
    : size_(bytes),
      threads_(threads),
      bytes_(new std::byte[bytes]),
      cells_((bytes + kCell - 1) / kCell) {
  std::fill_n(bytes_.get(), bytes, std::byte{0xff});
}

std::string SharedMemory::range(std::uint32_t offset, std::uint32_t bytes, const char* what) const {
  if (offset > size_ || bytes > size_ - offset) {
    return std::string(what) + " bytes " + number(offset) + " to " + number(offset + bytes) +
           " of " + number(size_) + " bytes of shared memory";
  }
  if (bytes % kCell != 0 || offset % std::min(bytes, 16u) != 0) {
    return std::string(what) + " " + number(bytes) + " bytes at " + number(offset) +
           " of shared memory, which is not aligned to them";
  }
  return {};
}

std::string SharedMemory::race(std::uint32_t cell, const char* now, const char* before,
                               Access other) const {
  return std::string("a race at byte ") + number(cell * kCell) + " of shared memory: " + now +
         " what thread " + number(other.thread) + " " + before +
         ", and nothing between them makes one wait for the other";
}

std::string SharedMemory::read(std::uint32_t offset, std::uint32_t bytes, const Clock& clock,
                               Load load, void* to) {
  if (std::string wrong = range(offset, bytes, "reads"); !wrong.empty()) return wrong;
  for (std::uint32_t c = offset / kCell; c < (offset + bytes) / kCell; ++c) {
    Cell& cell = cells_[c];
    if (cell.state == State::blank) {
      return "reads byte " + number(c * kCell) + " of shared memory, which nothing has written";
    }
    if (cell.state == State::copying) {
      return "reads byte " + number(c * kCell) +
             " of shared memory, which a copy is still on its way to: a wait is missing";
    }
    if (cell.state == State::barrier) return "reads an mbarrier as data";
    if (!clock.knows(cell.writer)) return race(c, "reads", "wrote", cell.writer);
    if (cell.state == State::copied && load == Load::plain) {
      return "reads byte " + number(c * kCell) +
             " of shared memory, which a bulk copy fills, by a plain load: its slot could be given "
             "back before the value is there; load it late";
    }
    note_reader(cell, clock);
  }
  std::memcpy(to, bytes_.get() + offset, bytes);
  return {};
}

void SharedMemory::note_reader(Cell& cell, const Clock& clock) {
  const Access now = clock.now();
  if (cell.readers != 0) {
    more_readers_[cell.readers - 1][now.thread] = now.epoch;
  } else if (cell.reader.epoch == 0 || clock.knows(cell.reader)) {
    cell.reader = now;
  } else {
    if (free_readers_.empty()) {
      more_readers_.emplace_back(threads_);
      free_readers_.push_back(static_cast<std::uint32_t>(more_readers_.size()));
    }
    cell.readers = free_readers_.back();
    free_readers_.pop_back();
    Epochs& all = more_readers_[cell.readers - 1];
    std::ranges::fill(all, 0);
    all[cell.reader.thread] = cell.reader.epoch;
    all[now.thread] = now.epoch;
  }
}

void SharedMemory::forget_readers(Cell& cell) {
  if (cell.readers != 0) free_readers_.push_back(cell.readers);
  cell.readers = 0;
  cell.reader = {0, 0};
}

std::string SharedMemory::check_write(std::uint32_t offset, std::uint32_t bytes,
                                      const Clock& clock) {
  if (std::string wrong = range(offset, bytes, "writes"); !wrong.empty()) return wrong;
  for (std::uint32_t c = offset / kCell; c < (offset + bytes) / kCell; ++c) {
    Cell& cell = cells_[c];
    if (cell.state == State::copying) {
      return "writes byte " + number(c * kCell) +
             " of shared memory, which a copy is still on its way to: a wait is missing";
    }
    if (cell.state == State::barrier) return "writes over an mbarrier";
    if (!clock.knows(cell.writer)) return race(c, "writes", "wrote", cell.writer);
    if (!clock.knows(cell.reader)) return race(c, "writes", "reads", cell.reader);
    if (cell.readers == 0) continue;
    const Epochs& readers = more_readers_[cell.readers - 1];
    for (std::uint32_t t = 0; t < threads_; ++t) {
      if (!clock.knows({t, readers[t]})) return race(c, "writes", "reads", {t, readers[t]});
    }
  }
  return {};
}

std::string SharedMemory::write(std::uint32_t offset, std::uint32_t bytes, const Clock& clock,
                                const void* from) {
  if (std::string wrong = check_write(offset, bytes, clock); !wrong.empty()) return wrong;
  for (std::uint32_t c = offset / kCell; c < (offset + bytes) / kCell; ++c) {
    forget_readers(cells_[c]);
    cells_[c].writer = clock.now();
    cells_[c].state = State::written;
  }
  std::memcpy(bytes_.get() + offset, from, bytes);
  return {};
}

std::string SharedMemory::begin_copy(std::uint32_t offset, std::uint32_t bytes,
                                     const Clock& clock) {
  if (std::string wrong = check_write(offset, bytes, clock); !wrong.empty()) return wrong;
  for (std::uint32_t c = offset / kCell; c < (offset + bytes) / kCell; ++c) {
    forget_readers(cells_[c]);
    cells_[c].state = State::copying;
  }
  std::fill_n(bytes_.get() + offset, bytes, std::byte{0xff});
  return {};
}

void SharedMemory::finish_copy(std::uint32_t offset, std::uint32_t bytes, const void* source,
                               Access access, bool bulk) {
  for (std::uint32_t c = offset / kCell; c < (offset + bytes) / kCell; ++c) {
    cells_[c].writer = access;
    cells_[c].state = bulk ? State::copied : State::written;
  }
  if (source == nullptr) {
    std::fill_n(bytes_.get() + offset, bytes, std::byte{0});
  } else {
    std::memcpy(bytes_.get() + offset, source, bytes);
  }
}

std::string SharedMemory::make_barrier(std::uint32_t offset, const Clock& clock) {
  if (std::string wrong = check_write(offset, 8, clock); !wrong.empty()) return wrong;
  for (std::uint32_t c = offset / kCell; c < offset / kCell + 8 / kCell; ++c) {
    forget_readers(cells_[c]);
    cells_[c].writer = clock.now();
    cells_[c].state = State::barrier;
  }
  return {};
}

std::string SharedMemory::use_barrier(std::uint32_t offset, const Clock& clock) const {
  if (std::string wrong = range(offset, 8, "uses an mbarrier at"); !wrong.empty()) return wrong;
  const Cell& cell = cells_[offset / kCell];
  if (cell.state != State::barrier) {
    return "uses an mbarrier at byte " + number(offset) + " of shared memory before it is one";
  }
  if (!clock.knows(cell.writer)) {
    return race(offset / kCell, "uses the mbarrier", "initialised", cell.writer);
  }
  return {};
}

}  // namespace instructblip::emulator
