// Threads, warps, blocks and grids of the emulated device, and who of them runs next.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "kernels/cuda/emulator/device.h"
#include "kernels/cuda/emulator/fiber.h"
#include "kernels/cuda/emulator/shared_memory.h"
#include "kernels/cuda/emulator/site.h"

namespace instructblip::emulator {

struct Block;
struct Warp;

// A copy to shared memory that has been asked for.
struct Copy {
  std::uint32_t to;
  std::uint32_t bytes;
  const void* from;  // null: zeros
};

struct Thread {
  Block* block = nullptr;
  Warp* warp = nullptr;
  std::uint32_t index = 0;
  Fiber fiber;
  std::unique_ptr<std::byte[]> stack;
  Clock clock;
  bool ended = false, waits = false, signalled = false, waited_for_grid = false;
  const char* what = nullptr;  // it waits for
  Site where;
  std::vector<Copy> open_group;  // cp.async
  std::deque<std::vector<Copy>> groups;
};

// Lanes of one warp that wait for each other in one operation.
struct Meeting {
  std::uint32_t mask = 0, arrived = 0;
  const char* what = nullptr;
  std::array<void*, 32> operands{};
};

struct Warp {
  Thread* threads = nullptr;
  std::uint32_t size = 0;  // lanes; fewer in the last warp
  std::uint32_t ended = 0;
  std::vector<Meeting> meetings;
};

struct NamedBarrier {
  std::uint32_t expected = 0, arrived = 0;
  std::vector<Thread*> waiting;
  std::shared_ptr<const Epochs> released;  // by those that arrived and went on
};

struct BulkCopy {
  Copy copy;
  Access issued;
};

// The phase that is being filled has the parity of `phase`.
struct Mbarrier {
  std::uint32_t count = 0, pending = 0, phase = 0;
  std::int64_t expected_bytes = 0;  // less those of copies asked for
  std::vector<BulkCopy> copies;
  std::shared_ptr<const Epochs> arriving, completed;
  std::vector<Thread*> waiting;
};

struct GridState;

struct Block {
  Block(GridState& grid, std::uint64_t number);

  GridState* grid;
  std::uint32_t x, y, z;
  SharedMemory memory;
  std::vector<Thread> threads;
  std::vector<Warp> warps;
  std::array<NamedBarrier, 16> barriers;
  std::map<std::uint32_t, Mbarrier> mbarriers;  // by their place in shared memory
  std::uint32_t ended = 0;
};

struct GridState {
  const Launch* launch = nullptr;
  GridState* next = nullptr;
  std::vector<std::uint64_t> order;  // its blocks, taken from the back
  std::vector<std::unique_ptr<Block>> resident;
  std::uint64_t ended = 0;      // blocks
  std::uint64_t signalled = 0;  // threads that let the next grid begin, or have ended
  std::uint64_t threads = 0, blocks = 0;
  bool begun = false;
  std::vector<Thread*> waiting;  // threads of the next grid, for the end of this one
};

class Engine {
 public:
  explicit Engine(const Schedule& schedule) : schedule_(schedule), random_(schedule.seed) {}
  void run(std::vector<Launch>& launches);  // throws Fault
  std::int64_t bank_conflicts = 0;

  // For code of kernels. The thread that runs:
  Thread& self() { return *self_; }
  // It waits until something wakes it.
  void wait(const char* what, const Site& where);
  void wake(Thread& thread);
  // Others may run first.
  void yield();
  // The launch after may begin, as far as this thread is concerned; what the one before has done is
  // waited for.
  void signal_next_grid();
  void wait_for_grid(const Site& where);
  // Throws the fault.
  [[noreturn]] void fail(const std::string& what, const Site& where);

 private:
  static void body();
  [[noreturn]] void fail_to_go_on(const std::string& why);
  void end_of_thread();
  void end_of_block(Block& block);
  void begin_grids();
  void admit(GridState& grid);
  bool may_begin(std::size_t grid) const;
  void queue(Thread& thread, bool last);
  Thread& take();
  void switch_to(Thread& thread, Fiber& from, bool ends);
  std::string waiting_threads() const;

  Schedule schedule_;
  std::minstd_rand random_;
  Fiber main_;
  Thread* self_ = nullptr;
  std::deque<Thread*> ready_;
  std::vector<GridState> grids_;
  std::vector<std::unique_ptr<std::byte[]>> stacks_;  // free ones
  std::unique_ptr<std::byte[]> left_;                 // the stack of the thread that ended last
  std::uint64_t idle_yields_ = 0;
  std::string fault_;
};

// The engine that runs; kernels run on one thread of the program at a time.
Engine& engine();
std::string name_of(const Thread& thread);

}  // namespace instructblip::emulator
