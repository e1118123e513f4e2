// Barriers, exchanges between lanes, and the order of launches.
#include <algorithm>
#include <bit>
#include <utility>

#include "kernels/cuda/emulator/engine.h"
#include "kernels/cuda/emulator/meeting.h"
#include "kernels/cuda/emulator/primitives.h"

namespace instructblip::emulator {
namespace {

struct ShuffleOperand {
  std::uint32_t value, source, result;
};
struct BallotOperand {
  bool predicate;
  std::uint32_t result;
};

// All have come: those that waited go on.
void end_barrier(NamedBarrier& barrier, const Thread& self) {
  std::vector<Clock*> clocks;
  for (Thread* thread : barrier.waiting) clocks.push_back(&thread->clock);
  if (!clocks.empty()) Clock::join(clocks);
  for (Thread* thread : std::exchange(barrier.waiting, {})) {
    thread->clock.acquire(barrier.released);
    if (thread != &self) engine().wake(*thread);
  }
  barrier.arrived = 0;
  barrier.released = nullptr;
}

std::uint32_t bit(const Thread& thread) { return 1u << (thread.index % 32); }

}  // namespace

std::uint32_t thread_index() { return engine().self().index; }
std::uint32_t threads_of_block() {
  return static_cast<std::uint32_t>(engine().self().block->threads.size());
}
Place block_index() {
  const Block& b = *engine().self().block;
  return {b.x, b.y, b.z};
}
Place blocks_of_grid() {
  const kernels::dev::Grid& g = engine().self().block->grid->launch->config.blocks;
  return {g.x, g.y, g.z};
}

void meet(const char* what, std::uint32_t mask, void* operand, MeetingFunction function,
          const Site& where) {
  Thread& self = engine().self();
  Warp& warp = *self.warp;
  if ((mask & bit(self)) == 0) {
    engine().fail(std::string("calls ") + what + " with a mask that does not name its lane", where);
  }
  const std::uint32_t lanes = warp.size == 32 ? ~0u : (1u << warp.size) - 1;
  if ((mask & ~lanes) != 0 || (mask & warp.ended) != 0) {
    engine().fail(std::string("calls ") + what +
                      " with a mask that names lanes that have ended, or that there are not",
                  where);
  }
  auto meeting =
      std::ranges::find_if(warp.meetings, [&](const Meeting& m) { return (m.mask & mask) != 0; });
  if (meeting == warp.meetings.end()) {
    warp.meetings.push_back({.mask = mask, .what = what});
    meeting = warp.meetings.end() - 1;
  }
  if (meeting->mask != mask || meeting->what != what) {
    engine().fail(std::string("calls ") + what + " while lanes of its warp wait for it in " +
                      meeting->what + (meeting->mask != mask ? " with another mask" : ""),
                  where);
  }
  meeting->arrived |= bit(self);
  meeting->operands[self.index % 32] = operand;
  if (meeting->arrived != mask) {
    engine().wait(what, where);
    return;
  }
  Meeting all = *meeting;
  warp.meetings.erase(meeting);
  function(warp, all);
  for (std::uint32_t rest = mask & ~bit(self); rest != 0; rest &= rest - 1) {
    engine().wake(warp.threads[std::countr_zero(rest)]);
  }
  engine().yield();
}

void sync_warp(std::uint32_t mask, const Site& where) {
  meet(
      "sync_warp", mask, nullptr,
      [](Warp& warp, Meeting& meeting) {
        std::array<Clock*, 32> clocks{};
        std::size_t count = 0;
        for (std::uint32_t rest = meeting.mask; rest != 0; rest &= rest - 1) {
          clocks[count++] = &warp.threads[std::countr_zero(rest)].clock;
        }
        Clock::join(std::span(clocks.data(), count));
      },
      where);
}

std::uint32_t shuffle(Shuffle kind, std::uint32_t value, std::uint32_t by, std::uint32_t mask,
                      const Site& where) {
  const std::uint32_t lane = engine().self().index % 32;
  std::uint32_t source = kind == Shuffle::exclusive_or ? lane ^ by
                         : kind == Shuffle::down       ? lane + by
                                                       : by;
  if (source > 31) source = lane;
  if ((mask >> source & 1) == 0)
    engine().fail("shuffles from a lane that its mask leaves out", where);
  ShuffleOperand operand{value, source, 0};
  meet(
      "shuffle", mask, &operand,
      [](Warp&, Meeting& meeting) {
        for (std::uint32_t rest = meeting.mask; rest != 0; rest &= rest - 1) {
          auto* o = static_cast<ShuffleOperand*>(
              meeting.operands[static_cast<std::size_t>(std::countr_zero(rest))]);
          o->result = static_cast<ShuffleOperand*>(meeting.operands[o->source])->value;
        }
      },
      where);
  return operand.result;
}

std::uint32_t ballot(bool predicate, std::uint32_t mask, const Site& where) {
  BallotOperand operand{predicate, 0};
  meet(
      "ballot", mask, &operand,
      [](Warp&, Meeting& meeting) {
        std::uint32_t set = 0;
        for (std::uint32_t rest = meeting.mask; rest != 0; rest &= rest - 1) {
          const auto lane = static_cast<std::size_t>(std::countr_zero(rest));
          if (static_cast<BallotOperand*>(meeting.operands[lane])->predicate) set |= rest & -rest;
        }
        for (std::uint32_t rest = meeting.mask; rest != 0; rest &= rest - 1) {
          const auto lane = static_cast<std::size_t>(std::countr_zero(rest));
          static_cast<BallotOperand*>(meeting.operands[lane])->result = set;
        }
      },
      where);
  return operand.result;
}

void sync_threads(const Site& where) {
  const Block& block = *engine().self().block;
  if (block.ended != 0) engine().fail("calls sync_threads after other threads have ended", where);
  named_barrier(0, static_cast<std::uint32_t>(block.threads.size()), true, where);
}

void named_barrier(std::uint32_t id, std::uint32_t count, bool waits, const Site& where) {
  Thread& self = engine().self();
  Block& block = *self.block;
  if (id > 15) engine().fail("uses a barrier whose number is above 15", where);
  if (count == 0 || count > block.threads.size() ||
      (count % 32 != 0 && count != block.threads.size())) {
    engine().fail("uses a barrier for " + std::to_string(count) + " threads: no number of warps",
                  where);
  }
  NamedBarrier& barrier = block.barriers[id];
  if (barrier.arrived != 0 && barrier.expected != count) {
    engine().fail("comes to a barrier for " + std::to_string(count) +
                      " threads, to which others came for " + std::to_string(barrier.expected),
                  where);
  }
  barrier.expected = count;
  ++barrier.arrived;
  if (waits) {
    barrier.waiting.push_back(&self);
  } else {
    self.clock.release_to(barrier.released);
  }
  if (barrier.arrived < count) {
    if (waits) engine().wait(id == 0 ? "sync_threads" : "a named barrier", where);
    return;
  }
  end_barrier(barrier, self);
  engine().yield();
}

void grid_signal() { engine().signal_next_grid(); }
void grid_wait(const Site& where) { engine().wait_for_grid(where); }
void spin() { engine().yield(); }

void check_global(const void* address, std::size_t bytes, const Site& where) {
  if (std::bit_cast<std::uintptr_t>(address) % bytes != 0) {
    engine().fail("accesses " + std::to_string(bytes) +
                      " bytes of global memory that are not aligned to them",
                  where);
  }
}

}  // namespace instructblip::emulator
