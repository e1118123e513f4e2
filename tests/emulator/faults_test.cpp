// Kernels with a fault each, beside the same kernel without it: the emulator finds the one and lets
// the other pass.
#include <cstdint>
#include <vector>

#include "emulator/running.h"
#include "kernels/cuda/dev.h"

namespace instructblip::emulator {
namespace {

namespace dev = kernels::dev;

// Every kernel here takes whether it is right.
template <class Kernel, class... Arguments>
void judge(Kernel kernel, dev::LaunchConfig config, const std::string& says,
           Arguments... arguments) {
  expect_no_fault([&] { EXPECT_EQ(dev::launch(config, kernel, true, arguments...), 0); });
  expect_fault([&] { EXPECT_EQ(dev::launch(config, kernel, false, arguments...), 0); }, says);
}

dev::LaunchConfig block_of(unsigned threads, std::size_t shared_bytes) {
  dev::LaunchConfig config;
  config.threads = threads;
  config.shared_bytes = shared_bytes;
  return config;
}

__global__ void pass_on(bool right) {
  const auto values = dev::shared_memory<float>();
  values.store(dev::thread(), 1.0f);
  if (right) dev::sync_threads();
  values.load((dev::thread() + 1) % dev::threads());
}

TEST(FaultsTest, MissingBarrierBetweenWriteAndRead) {
  // Whoever comes first reads what nothing has written; else the write and the read race.
  judge(pass_on, block_of(64, 256), "of shared memory");
}

__global__ void write_after_read(bool right) {
  const auto values = dev::shared_memory<float>();
  values.store(dev::thread(), 1.0f);
  dev::sync_threads();
  values.load((dev::thread() + 1) % dev::threads());
  if (right) dev::sync_threads();
  values.store(dev::thread(), 2.0f);
}

TEST(FaultsTest, MissingBarrierBetweenReadAndWrite) {
  judge(write_after_read, block_of(64, 256), "a race at byte");
}

__global__ void write_to_one_place(bool right) {
  const auto values = dev::shared_memory<float>();
  if (!right || dev::thread() == 0) values.store(0, 1.0f);
}

TEST(FaultsTest, TwoWritersOfOnePlace) {
  judge(write_to_one_place, block_of(32, 4), "a race at byte 0");
}

__global__ void lanes_exchange(bool right) {
  const auto values = dev::shared_memory<float>();
  values.store(dev::lane(), 1.0f);
  dev::shuffle_xor(1.0f, 1);  // waits for the lanes, but orders no memory
  if (right) dev::sync_warp();
  values.load(dev::lane() ^ 1);
}

TEST(FaultsTest, MissingWarpBarrier) { judge(lanes_exchange, block_of(32, 128), "a race at byte"); }

__global__ void copy(bool right, const float* from) {
  const auto values = dev::shared_memory<float>();
  dev::copy_async(values + 4 * dev::thread(), from + 4 * dev::thread(), true);
  dev::commit_copies();
  if (right) dev::wait_for_copies<0>();
  dev::sync_threads();
  values.load(dev::thread());
  if (!right) dev::wait_for_copies<0>();
}

TEST(FaultsTest, MissingWaitForCopies) {
  alignas(16) static const float from[128] = {};
  judge(copy, block_of(32, 512), "a wait is missing", +from);
}

__global__ void copy_for_others(bool right, const float* from) {
  const auto values = dev::shared_memory<float>();
  dev::copy_async(values + 4 * dev::thread(), from + 4 * dev::thread(), true);
  dev::commit_copies();
  dev::wait_for_copies<0>();
  if (right) dev::sync_threads();
  values.load(4 * ((dev::thread() + 1) % dev::threads()));
}

TEST(FaultsTest, MissingBarrierAfterTheWaitForCopies) {
  alignas(16) static const float from[256] = {};
  judge(copy_for_others, block_of(64, 1024), "of shared memory", +from);
}

__global__ void copy_group_early(bool right, const float* from) {
  const auto values = dev::shared_memory<float>();
  for (unsigned i = 0; i < 2; ++i) {
    dev::copy_async(values + 4 * i, from + 4 * i, true);
    dev::commit_copies();
  }
  dev::wait_for_copies<1>();
  values.load(right ? 0 : 4);  // the second group may still be on its way
  dev::wait_for_copies<0>();
}

TEST(FaultsTest, WaitForTheWrongGroup) {
  alignas(16) static const float from[8] = {};
  judge(copy_group_early, block_of(1, 32), "a wait is missing", +from);
}

__global__ void copy_in_bulk(bool right, const float* from) {
  const auto values = dev::shared_memory<float>();
  const dev::Mbarrier full = values.as<dev::Words2>(512);
  if (dev::thread() == 0) dev::init_mbarrier(full, 1);
  dev::fence_mbarriers();
  dev::sync_threads();
  if (dev::thread() == 0) {
    dev::arrive_expecting(full, 512);
    dev::copy_bulk(values, from, 512, full);
  }
  if (right || dev::thread() == 0) dev::wait(full, 0);
  values.load_late(dev::thread()).get();
}

TEST(FaultsTest, MissingWaitForAnMbarrier) {
  alignas(16) static const float from[128] = {};
  judge(copy_in_bulk, block_of(128, 520), "of shared memory", +from);
}

__global__ void mbarrier_before_it_is_one(bool right) {
  const dev::Mbarrier barrier = dev::shared_memory<dev::Words2>();
  if (dev::thread() == 0) dev::init_mbarrier(barrier, 64);
  if (right) dev::sync_threads();
  dev::arrive(barrier);
  dev::wait(barrier, 0);
}

TEST(FaultsTest, MbarrierUsedBeforeItsInitialisationIsKnown) {
  judge(mbarrier_before_it_is_one, block_of(64, 8), "mbarrier");
}

// A ring of one slot. A load is done when its value has been used, not when it has been issued: who
// gives the slot back between the two may find the next chunk in it.
__global__ void ring(bool right, const float* from, float* out) {
  const auto slot = dev::shared_memory<float>();
  const dev::Mbarrier full = slot.as<dev::Words2>(128), empty = slot.as<dev::Words2>(136);
  if (dev::thread() == 0) {
    dev::init_mbarrier(full, 1);
    dev::init_mbarrier(empty, 1);
  }
  dev::fence_mbarriers();
  dev::sync_threads();
  if (dev::warp() == 1) {  // loads
    if (dev::lane() != 0) return;
    for (unsigned i = 0; i < 4; ++i) {
      dev::wait(empty, (i & 1) ^ 1);
      dev::arrive_expecting(full, 128);
      dev::copy_bulk(slot, from + 32 * i, 128, full);
    }
    return;
  }
  float sum = 0.0f;
  for (unsigned i = 0; i < 4; ++i) {
    dev::wait(full, i & 1);
    const dev::Late<float> value = slot.load_late(dev::lane());
    if (!right) {
      dev::sync_warp();
      if (dev::lane() == 0) dev::arrive(empty);
    }
    dev::shuffle_xor(0.0f, 1);  // time passes
    sum += value.get();
    if (right) {
      dev::sync_warp();
      if (dev::lane() == 0) dev::arrive_after(empty, sum);
    }
  }
  out[dev::lane()] = sum;
}

TEST(FaultsTest, RingSlotThatIsGivenBackBeforeItsLoadsAreUsed) {
  alignas(16) static const float from[128] = {};
  static float out[32];
  judge(ring, block_of(64, 144), "of shared memory", +from, +out);
}

__global__ void plain_load_from_a_ring(bool right, const float* from) {
  const auto slot = dev::shared_memory<float>();
  const dev::Mbarrier full = slot.as<dev::Words2>(128);
  if (dev::thread() == 0) {
    dev::init_mbarrier(full, 1);
    dev::arrive_expecting(full, 128);
    dev::copy_bulk(slot, from, 128, full);
    dev::wait(full, 0);
    if (right) slot.load_late(0).get();
    if (!right) slot.load(0);
  }
}

TEST(FaultsTest, PlainLoadOfWhatABulkCopyFills) {
  alignas(16) static const float from[32] = {};
  judge(plain_load_from_a_ring, block_of(32, 136), "load it late", +from);
}

__global__ void wrong_mask(bool right) {
  if (dev::lane() < 16) dev::shuffle_xor(1.0f, 1, right ? 0xffffu : 0xff00u);
}

TEST(FaultsTest, MaskWithoutTheCaller) { judge(wrong_mask, block_of(32, 0), "mask"); }

__global__ void mask_of_absent_lanes(bool right) {
  if (dev::lane() < 16) dev::sync_warp(right ? 0xffffu : ~0u);
}

TEST(FaultsTest, MaskOfLanesThatDoNotCome) {
  // Those that are not named end while the others wait, or have ended before.
  judge(mask_of_absent_lanes, block_of(32, 0), "sync_warp");
}

TEST(FaultsTest, MaskOfLanesThatHaveEnded) {
  const auto launch = [] {
    EXPECT_EQ(dev::launch(
                  block_of(16, 0), +[](bool) { dev::sync_warp(); }, true),
              0);
  };
  expect_fault(launch, "that there are not");
}

__global__ void different_operations(bool right) {
  if (right || dev::lane() % 2 == 0) {
    dev::sync_warp();
  } else {
    dev::ballot(true);
  }
}

TEST(FaultsTest, LanesThatMeetInDifferentOperations) {
  judge(different_operations, block_of(32, 0), "wait for it in");
}

__global__ void leave_early(bool right) {
  if (!right && dev::thread() >= 32) return;
  dev::sync_threads();
}

TEST(FaultsTest, BarrierThatThreadsHaveLeft) {
  judge(leave_early, block_of(64, 0), "sync_threads");
}

TEST(FaultsTest, BarrierThatThreadsLeaveWhileOthersWait) {
  dev::LaunchConfig config = block_of(64, 0);
  EXPECT_EQ(dev::launch(config, leave_early, false), 0);
  EXPECT_NE(fault_of({Schedule::Order::forward}).find("ends while others wait"), std::string::npos);
}

__global__ void lock_up(bool right) {
  const dev::Mbarrier a = dev::shared_memory<dev::Words2>(), b = a + 1;
  if (dev::thread() == 0) {
    dev::init_mbarrier(a, 32);
    dev::init_mbarrier(b, 32);
  }
  dev::sync_threads();
  if (right) {
    dev::arrive(a);
    dev::arrive(b);
  }
  dev::wait(dev::warp() == 0 ? a : b, 0);
  if (!right) dev::arrive(dev::warp() == 0 ? b : a);
}

TEST(FaultsTest, Deadlock) {
  const auto right = [](auto... arguments) {
    EXPECT_EQ(dev::launch(block_of(64, 16), lock_up, arguments...), 0);
  };
  expect_fault([&] { right(false); }, "a deadlock: nobody can go on");
  expect_fault([&] { right(false); }, "waits in an mbarrier at faults_test.cpp:");
}

__global__ void named(bool right) { dev::sync_some<1>(right || dev::warp() == 0 ? 64 : 32); }

TEST(FaultsTest, NamedBarrierThatThreadsDisagreeAbout) {
  expect_no_fault([] { EXPECT_EQ(dev::launch(block_of(64, 0), named, true), 0); });
  expect_fault([] { EXPECT_EQ(dev::launch(block_of(64, 0), named, false), 0); }, "");
  EXPECT_EQ(dev::launch(block_of(64, 0), named, false), 0);
  EXPECT_NE(fault_of({}).find("comes to a barrier for 32"), std::string::npos);
}

__global__ void beyond_the_end(bool right) {
  dev::shared_memory<float>().store(dev::thread() + (right ? 0 : 1), 1.0f);
}

TEST(FaultsTest, SharedMemoryOutOfBounds) {
  judge(beyond_the_end, block_of(32, 128), "of 128 bytes of shared memory");
}

__global__ void misaligned(bool right) {
  const auto bytes = dev::shared_memory<dev::Words4>();
  bytes.as<dev::Words4>(right ? 0 : 8).store(0, {});
}

TEST(FaultsTest, SharedMemoryOutOfLine) { judge(misaligned, block_of(1, 32), "not aligned"); }

__global__ void blank(bool right) {
  const auto values = dev::shared_memory<float>();
  if (right) values.store(0, 1.0f);
  values.load(0);
}

TEST(FaultsTest, SharedMemoryThatNothingHasWritten) {
  judge(blank, block_of(1, 4), "which nothing has written");
}

__global__ void leave_copies(bool right, const float* from) {
  dev::copy_async(dev::shared_memory<float>(), from, true);
  dev::commit_copies();
  if (right) dev::wait_for_copies<0>();
}

TEST(FaultsTest, EndBeforeCopiesHaveArrived) {
  alignas(16) static const float from[4] = {};
  judge(leave_copies, block_of(1, 16), "before its asynchronous copies have arrived", +from);
}

__global__ void misaligned_global(bool right, const float* from) {
  dev::load_global<dev::Words4>(from + (right ? 0 : 1));
}

TEST(FaultsTest, GlobalMemoryOutOfLine) {
  alignas(16) static const float from[8] = {};
  judge(misaligned_global, block_of(1, 0), "global memory", +from);
}

// What a launch reads of the one before it, before it has waited for it, is not there yet.
__global__ void make(float* values) {
  dev::grid_signal();
  dev::grid_wait();
  values[dev::block_x()] = 1.0f;
}
__global__ void take(bool right, const float* values, float* out) {
  if (right) dev::grid_wait();
  out[dev::block_x()] = values[dev::block_x()];
  if (!right) dev::grid_wait();
}

TEST(FaultsTest, MissingWaitForTheLaunchBefore) {
  for (const bool right : {true, false}) {
    int wrong = 0;
    for (const Schedule& schedule : schedules()) {
      std::vector<float> values(4, 0.0f), out(4, -1.0f);
      dev::LaunchConfig config = block_of(1, 0);
      config.blocks.x = 4;
      config.overlaps_previous = true;
      EXPECT_EQ(dev::launch(config, make, values.data()), 0);
      EXPECT_EQ(dev::launch(config, take, right, values.data(), out.data()), 0);
      EXPECT_EQ(fault_of(schedule), "");
      for (const float value : out) wrong += value != 1.0f ? 1 : 0;
    }
    EXPECT_EQ(wrong > 0, !right);
  }
}

// Blocks that depend on the order they run in give other bits in other orders.
__global__ void order_of_blocks(unsigned* next, unsigned* out) {
  out[dev::block_x()] = dev::add_global(next, 1);
}

TEST(FaultsTest, BlocksRunInDifferentOrders) {
  std::vector<std::vector<unsigned>> seen;
  for (const Schedule& schedule : schedules()) {
    unsigned next = 0;
    std::vector<unsigned> out(16);
    dev::LaunchConfig config = block_of(1, 0);
    config.blocks.x = 16;
    EXPECT_EQ(dev::launch(config, order_of_blocks, &next, out.data()), 0);
    EXPECT_EQ(fault_of(schedule), "");
    seen.push_back(out);
  }
  EXPECT_NE(seen[0], seen[1]);
  EXPECT_NE(seen[0], seen[2]);
}

TEST(FaultsTest, LaunchesThatTheDeviceWouldRefuse) {
  const auto nothing = +[](bool) {};
  EXPECT_EQ(dev::launch(block_of(1025, 0), nothing, true), 0);
  EXPECT_NE(fault_of({}).find("1025 threads"), std::string::npos);
  EXPECT_EQ(dev::launch(block_of(32, 240 * 1024), nothing, true), 0);
  EXPECT_NE(fault_of({}).find("bytes of shared memory"), std::string::npos);
}

}  // namespace
}  // namespace instructblip::emulator
