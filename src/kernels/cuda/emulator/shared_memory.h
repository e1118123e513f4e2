// The shared memory of a block, with what is known of each two bytes of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "kernels/cuda/emulator/clock.h"

namespace instructblip::emulator {

// Each function returns what is wrong, or nothing.
class SharedMemory {
 public:
  // Filled with bytes 0xff, which are NaN in every floating-point format.
  SharedMemory(std::size_t bytes, std::uint32_t threads);

  std::size_t size() const { return size_; }

  // How a load is written: the value of a late one is not in a register before it is used.
  enum class Load { plain, late };
  std::string read(std::uint32_t offset, std::uint32_t bytes, const Clock& clock, Load load,
                   void* to);
  std::string write(std::uint32_t offset, std::uint32_t bytes, const Clock& clock,
                    const void* from);

  // A copy that is on its way: the place must not be touched before it has arrived.
  std::string begin_copy(std::uint32_t offset, std::uint32_t bytes, const Clock& clock);
  // `access` is when it has arrived. `source`: null for zeros.
  void finish_copy(std::uint32_t offset, std::uint32_t bytes, const void* source, Access access,
                   bool bulk);

  // Eight bytes that are an mbarrier from now on.
  std::string make_barrier(std::uint32_t offset, const Clock& clock);
  // Whether the thread knows that it is one.
  std::string use_barrier(std::uint32_t offset, const Clock& clock) const;

 private:
  enum class State : std::uint8_t { blank, written, copied, copying, barrier };

  struct Cell {
    Access writer{0, 0};
    Access reader{0, 0};        // the last, if all earlier ones are known to it
    std::uint32_t readers = 0;  // else the place among more_readers_, plus one
    State state = State::blank;
  };

  std::string range(std::uint32_t offset, std::uint32_t bytes, const char* what) const;
  std::string check_write(std::uint32_t offset, std::uint32_t bytes, const Clock& clock);
  void note_reader(Cell& cell, const Clock& clock);
  void forget_readers(Cell& cell);
  std::string race(std::uint32_t cell, const char* now, const char* before, Access other) const;

  std::size_t size_;
  std::uint32_t threads_;
  std::unique_ptr<std::byte[]> bytes_;
  std::vector<Cell> cells_;
  std::vector<Epochs> more_readers_;  // thread -> epoch of its last read
  std::vector<std::uint32_t> free_readers_;
};

}  // namespace instructblip::emulator
