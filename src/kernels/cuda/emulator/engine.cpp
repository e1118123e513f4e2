#include "kernels/cuda/emulator/engine.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace instructblip::emulator {
namespace {

Engine* running = nullptr;

constexpr std::uint32_t kMaxThreads = 1024;
constexpr std::size_t kMaxShared = 227 * 1024;  // what a block may have on sm_90
constexpr std::uint64_t kMaxIdle = 20'000'000;

std::vector<Launch>& queued() {
  static std::vector<Launch> launches;
  return launches;
}

void check(const Launch& launch) {
  const auto& c = launch.config;
  if (c.threads == 0 || c.threads > kMaxThreads) {
    throw Fault("a launch has " + std::to_string(c.threads) + " threads in a block; 1 to 1024");
  }
  if (c.blocks.x == 0 || c.blocks.y == 0 || c.blocks.z == 0 || c.blocks.y > 65535 ||
      c.blocks.z > 65535) {
    throw Fault("a launch has no blocks, or more than 65535 of them in y or z");
  }
  if (c.shared_bytes > kMaxShared) {
    throw Fault("a launch asks for " + std::to_string(c.shared_bytes) +
                " bytes of shared memory; a block has at most " + std::to_string(kMaxShared));
  }
}

}  // namespace

Engine& engine() { return *running; }

std::string name_of(const Thread& t) {
  const Block& b = *t.block;
  return "thread " + std::to_string(t.index) + " (warp " + std::to_string(t.index / 32) +
         ", lane " + std::to_string(t.index % 32) + ") of block " + std::to_string(b.x) + "," +
         std::to_string(b.y) + "," + std::to_string(b.z);
}

Block::Block(GridState& of, std::uint64_t number)
    : grid(&of),
      x(static_cast<std::uint32_t>(number % of.launch->config.blocks.x)),
      y(static_cast<std::uint32_t>(number / of.launch->config.blocks.x %
                                   of.launch->config.blocks.y)),
      z(static_cast<std::uint32_t>(number / of.launch->config.blocks.x /
                                   of.launch->config.blocks.y)),
      memory(of.launch->config.shared_bytes, of.launch->config.threads),
      threads(of.launch->config.threads),
      warps((of.launch->config.threads + 31) / 32) {
  const auto count = static_cast<std::uint32_t>(threads.size());
  const auto nothing = std::make_shared<const Epochs>(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    threads[i].block = this;
    threads[i].index = i;
    threads[i].warp = &warps[i / 32];
    threads[i].clock = Clock(i, nothing);
  }
  for (std::uint32_t w = 0; w < warps.size(); ++w) {
    warps[w].threads = &threads[w * 32];
    warps[w].size = std::min(32u, count - w * 32);
  }
}

void Engine::fail(const std::string& what, const Site& where) {
  const std::string file = where.file_name();
  throw Fault(file.substr(file.rfind('/') + 1) + ":" + std::to_string(where.line()) + ": " +
              name_of(*self_) + " " + what);
}

void Engine::fail_to_go_on(const std::string& why) {
  throw Fault("a deadlock: " + why + "\n" + waiting_threads());
}

void Engine::queue(Thread& thread, bool last) {
  // Backward: the newest first, and one that only waits its turn last.
  if ((schedule_.order == Schedule::Order::backward) && last) {
    ready_.push_front(&thread);
  } else {
    ready_.push_back(&thread);
  }
}

Thread& Engine::take() {
  if (schedule_.order == Schedule::Order::forward) {
    Thread* first = ready_.front();
    ready_.pop_front();
    return *first;
  }
  if (schedule_.order == Schedule::Order::random) {
    std::swap(ready_[random_() % ready_.size()], ready_.back());
  }
  Thread* last = ready_.back();
  ready_.pop_back();
  return *last;
}

void Engine::wake(Thread& thread) {
  thread.waits = false;
  idle_yields_ = 0;
  queue(thread, false);
}

void Engine::wait(const char* what, const Site& where) {
  Thread& thread = *self_;
  thread.waits = true;
  thread.what = what;
  thread.where = where;
  if (ready_.empty()) fail_to_go_on("nobody can go on");
  switch_to(take(), thread.fiber, false);
}

void Engine::yield() {
  Thread& thread = *self_;
  if (++idle_yields_ > kMaxIdle) fail_to_go_on(name_of(thread) + " spins for ever");
  if (ready_.empty()) return;
  queue(thread, true);
  Thread& next = take();
  if (&next == &thread) return;
  switch_to(next, thread.fiber, false);
}

void Engine::switch_to(Thread& thread, Fiber& from, bool ends) {
  self_ = &thread;
  switch_fiber(from, thread.fiber, ends);
}

std::string Engine::waiting_threads() const {
  std::string text;
  int listed = 0;
  for (const GridState& grid : grids_) {
    for (const auto& block : grid.resident) {
      for (const Thread& t : block->threads) {
        if (!t.waits || ++listed > 64) continue;
        const std::string file = t.where.file_name();
        text += "  " + name_of(t) + " waits in " + t.what + " at " +
                file.substr(file.rfind('/') + 1) + ":" + std::to_string(t.where.line()) + "\n";
      }
    }
  }
  return text;
}

void Engine::body() {
  Engine& all = *running;
  entered(all.main_);
  try {
    all.self_->block->grid->launch->thread();
    all.end_of_thread();
  } catch (const std::exception& fault) {
    all.fault_ = fault.what();
  }
  // The stacks of the other threads are left as they are: they own nothing.
  const bool others = all.fault_.empty() && !all.ready_.empty();
  Fiber& ended = all.self_->fiber;
  switch_fiber(ended, others ? (all.self_ = &all.take())->fiber : all.main_, true);
}

void Engine::end_of_thread() {
  Thread& t = *self_;
  Block& block = *t.block;
  const Site here = Site::current();
  if (!end_is_intact(t.stack.get())) fail("has overrun its stack", here);
  if (!t.groups.empty() || !t.open_group.empty()) {
    fail("ends before its asynchronous copies have arrived", here);
  }
  const std::uint32_t lane = 1u << (t.index % 32);
  for (const Meeting& m : t.warp->meetings) {
    if ((m.mask & lane) != 0) fail(std::string("ends while lanes wait for it in ") + m.what, here);
  }
  if (!block.barriers[0].waiting.empty()) {
    fail("ends while others wait for it in sync_threads", here);
  }
  t.ended = true;
  t.warp->ended |= lane;
  if (!t.signalled) ++block.grid->signalled;
  if (left_ != nullptr) stacks_.push_back(std::move(left_));
  left_ = std::move(t.stack);  // still in use, until the next thread runs
  idle_yields_ = 0;
  if (++block.ended == block.threads.size()) end_of_block(block);
  begin_grids();
  if (ready_.empty() &&
      std::ranges::any_of(grids_, [](const GridState& g) { return g.ended != g.blocks; })) {
    fail_to_go_on("nobody can go on");
  }
}

void Engine::end_of_block(Block& block) {
  for (const auto& [place, barrier] : block.mbarriers) {
    if (!barrier.copies.empty()) {
      fail("ends its block before bulk copies have arrived: the mbarrier at byte " +
               std::to_string(place) + " was not waited for",
           Site::current());
    }
  }
  for (NamedBarrier& barrier : block.barriers) {
    if (barrier.arrived != 0) {
      fail("ends its block with threads still due at a named barrier", Site::current());
    }
  }
  GridState& grid = *block.grid;
  if (++grid.ended == grid.blocks) {
    for (Thread* waiting : std::exchange(grid.waiting, {})) wake(*waiting);
  }
}

bool Engine::may_begin(std::size_t i) const {
  if (i == 0) return true;
  const GridState& before = grids_[i - 1];
  if (!grids_[i].launch->config.overlaps_previous) {
    return std::all_of(grids_.begin(), grids_.begin() + static_cast<std::ptrdiff_t>(i),
                       [](const GridState& g) { return g.ended == g.blocks; });
  }
  // The launch before may itself be waiting for the one before it.
  return before.begun && before.order.empty() && before.signalled == before.threads;
}

void Engine::begin_grids() {
  for (std::size_t i = 0; i < grids_.size(); ++i) {
    GridState& grid = grids_[i];
    if (!grid.begun && !may_begin(i)) return;
    grid.begun = true;
    admit(grid);
  }
}

void Engine::signal_next_grid() {
  if (std::exchange(self_->signalled, true)) return;
  ++self_->block->grid->signalled;
  begin_grids();
  yield();  // the next launch may come first
}

void Engine::wait_for_grid(const Site& where) {
  if (std::exchange(self_->waited_for_grid, true)) return;
  GridState& own = *self_->block->grid;
  if (&own == &grids_.front()) return;
  GridState& before = *(&own - 1);
  if (before.ended == before.blocks) return;
  before.waiting.push_back(self_);
  wait("grid_wait", where);
}

void Engine::admit(GridState& grid) {
  // Blocks that another launch overlaps are there at once; of others few, so that tests are small.
  const bool all = grid.next != nullptr && grid.next->launch->config.overlaps_previous;
  const bool overlaps = grid.launch->config.overlaps_previous;
  const std::uint64_t wanted = all || overlaps ? grid.blocks : 2;
  std::erase_if(grid.resident, [this](const std::unique_ptr<Block>& b) {
    return b->ended == b->threads.size() && b.get() != (self_ == nullptr ? nullptr : self_->block);
  });
  std::uint64_t living = 0;
  for (const auto& b : grid.resident) living += b->ended < b->threads.size() ? 1 : 0;
  for (; living < wanted && !grid.order.empty(); ++living) {
    grid.resident.push_back(std::make_unique<Block>(grid, grid.order.back()));
    grid.order.pop_back();
    for (Thread& thread : grid.resident.back()->threads) {
      if (stacks_.empty()) {
        thread.stack.reset(new std::byte[stack_bytes()]);
      } else {
        thread.stack = std::move(stacks_.back());
        stacks_.pop_back();
      }
      thread.fiber.begin(thread.stack.get(), stack_bytes(), &Engine::body);
      queue(thread, false);
    }
  }
}

void Engine::run(std::vector<Launch>& launches) {
  grids_ = std::vector<GridState>(launches.size());
  for (std::size_t i = 0; i < launches.size(); ++i) {
    GridState& grid = grids_[i];
    const auto& c = launches[i].config;
    grid.launch = &launches[i];
    grid.next = i + 1 < grids_.size() ? &grids_[i + 1] : nullptr;
    grid.blocks = std::uint64_t{c.blocks.x} * c.blocks.y * c.blocks.z;
    grid.threads = grid.blocks * c.threads;
    grid.order.resize(grid.blocks);
    std::iota(grid.order.begin(), grid.order.end(), 0);
    if (schedule_.order == Schedule::Order::forward) std::ranges::reverse(grid.order);
    if (schedule_.order == Schedule::Order::random) {
      std::shuffle(grid.order.begin(), grid.order.end(), random_);
    }
  }
  begin_grids();
  if (!ready_.empty()) switch_to(take(), main_, false);
  if (!fault_.empty()) throw Fault(fault_);
}

void enqueue(Launch launch) { queued().push_back(std::move(launch)); }

Observed run_queue(const Schedule& schedule) {
  std::vector<Launch> launches = std::exchange(queued(), {});
  for (const Launch& launch : launches) check(launch);
  if (running != nullptr) throw Fault("the emulator runs already");
  Engine engine(schedule);
  struct Running {
    explicit Running(Engine* engine) { running = engine; }
    ~Running() { running = nullptr; }
  } guard(&engine);
  engine.run(launches);
  std::size_t shared_bytes = 0;
  for (const Launch& launch : launches) {
    shared_bytes = std::max(shared_bytes, launch.config.shared_bytes);
  }
  return {.launches = static_cast<std::int64_t>(launches.size()),
          .shared_bytes = shared_bytes,
          .bank_conflicts = engine.bank_conflicts};
}

}  // namespace instructblip::emulator
