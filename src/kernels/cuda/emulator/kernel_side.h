// The names of dev.h for a C++ compiler: each is checked by the emulator. Included by dev.h only.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include "kernels/cuda/emulator/device.h"
#include "kernels/cuda/emulator/kernel_memory.h"
#include "kernels/cuda/emulator/kernel_numbers.h"
#include "kernels/cuda/emulator/primitives.h"

// The words of CUDA that a kernel is declared with.
#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)

namespace instructblip::kernels::dev {

// --- Where a thread is.
inline unsigned thread() { return emulator::thread_index(); }
inline unsigned lane() { return emulator::thread_index() % 32; }
inline unsigned warp() { return emulator::thread_index() / 32; }
inline unsigned block_x() { return emulator::block_index().x; }
inline unsigned block_y() { return emulator::block_index().y; }
inline unsigned block_z() { return emulator::block_index().z; }
inline unsigned blocks_x() { return emulator::blocks_of_grid().x; }
inline unsigned threads() { return emulator::threads_of_block(); }

// --- Waiting for others.
inline void sync_threads(Site where = Site::current()) { emulator::sync_threads(where); }
inline void sync_warp(std::uint32_t mask = kAllLanes, Site where = Site::current()) {
  emulator::sync_warp(mask, where);
}
template <int kId>
inline void sync_some(std::uint32_t count, Site where = Site::current()) {
  static_assert(kId > 0 && kId < 16, "barrier 0 is that of all threads");
  emulator::named_barrier(kId, count, true, where);
}
template <int kId>
inline void arrive_some(std::uint32_t count, Site where = Site::current()) {
  static_assert(kId > 0 && kId < 16, "barrier 0 is that of all threads");
  emulator::named_barrier(kId, count, false, where);
}

// --- Between the lanes of a warp.
template <class T>
inline T shuffle_with(emulator::Shuffle kind, T value, unsigned by, std::uint32_t mask,
                      Site where) {
  static_assert(sizeof(T) == 4, "a shuffle moves words");
  return std::bit_cast<T>(
      emulator::shuffle(kind, std::bit_cast<std::uint32_t>(value), by, mask, where));
}
template <class T>
inline T shuffle_xor(T value, unsigned by, std::uint32_t mask = kAllLanes,
                     Site where = Site::current()) {
  return shuffle_with(emulator::Shuffle::exclusive_or, value, by, mask, where);
}
template <class T>
inline T shuffle_down(T value, unsigned by, std::uint32_t mask = kAllLanes,
                      Site where = Site::current()) {
  return shuffle_with(emulator::Shuffle::down, value, by, mask, where);
}
template <class T>
inline T shuffle_from(T value, unsigned lane, std::uint32_t mask = kAllLanes,
                      Site where = Site::current()) {
  return shuffle_with(emulator::Shuffle::index, value, lane, mask, where);
}
inline std::uint32_t ballot(bool predicate, std::uint32_t mask = kAllLanes,
                            Site where = Site::current()) {
  return emulator::ballot(predicate, mask, where);
}

// --- Matrices.
template <class P>
inline void load_matrices(std::uint32_t (&to)[4], Shared<P> row, Site where = Site::current()) {
  emulator::load_matrices(row.address(), to, false, where);
}
template <class P>
inline void load_matrices_transposed(std::uint32_t (&to)[4], Shared<P> row,
                                     Site where = Site::current()) {
  emulator::load_matrices(row.address(), to, true, where);
}
template <class T>
inline void multiply(float (&c)[4], const std::uint32_t (&a)[4], std::uint32_t b0, std::uint32_t b1,
                     Site where = Site::current()) {
  static_assert(std::is_same_v<T, Half> || std::is_same_v<T, Bfloat>);
  const std::uint32_t b[2] = {b0, b1};
  emulator::multiply_matrices({a, b, c, std::is_same_v<T, Bfloat>}, where);
}

// --- Copies.
template <class P>
inline void copy_async(Shared<P> to, const void* from, bool valid, Site where = Site::current()) {
  emulator::copy_async(to.address(), from, valid, where);
}
inline void commit_copies() { emulator::commit_copies(); }
template <int kOpen>
inline void wait_for_copies(Site where = Site::current()) {
  emulator::wait_for_copies(kOpen, where);
}
using Mbarrier = Shared<Words2>;
inline void init_mbarrier(Mbarrier barrier, unsigned count, Site where = Site::current()) {
  emulator::init_mbarrier(barrier.address(), count, where);
}
inline void fence_mbarriers() {}
inline void arrive(Mbarrier barrier, Site where = Site::current()) {
  emulator::arrive_mbarrier(barrier.address(), 0, where);
}
inline void arrive_after(Mbarrier barrier, float /*used*/, Site where = Site::current()) {
  emulator::arrive_mbarrier(barrier.address(), 0, where);
}
inline void arrive_expecting(Mbarrier barrier, unsigned bytes, Site where = Site::current()) {
  emulator::arrive_mbarrier(barrier.address(), bytes, where);
}
inline void wait(Mbarrier barrier, unsigned parity, Site where = Site::current()) {
  emulator::wait_mbarrier(barrier.address(), parity, where);
}
template <class P>
inline void copy_bulk(Shared<P> to, const void* from, unsigned bytes, Mbarrier barrier,
                      Site where = Site::current()) {
  emulator::copy_bulk(to.address(), from, bytes, barrier.address(), where);
}

// --- Launches that overlap.
inline void grid_wait(Site where = Site::current()) { emulator::grid_wait(where); }
inline void grid_signal() { emulator::grid_signal(); }

// --- Global memory.
template <class T>
inline T load_global(const void* from, Site where = Site::current()) {
  emulator::check_global(from, sizeof(T), where);
  T value;
  std::memcpy(&value, from, sizeof(T));
  return value;
}
template <class T>
inline T load_once(const void* from, Site where = Site::current()) {
  return load_global<T>(from, where);
}
template <class T>
inline T load_coherent(const T* from) {
  return *from;
}
template <class T>
inline void store_global(void* to, T value, Site where = Site::current()) {
  emulator::check_global(to, sizeof(T), where);
  std::memcpy(to, &value, sizeof(T));
}
inline unsigned add_global(unsigned* to, unsigned value) { return std::exchange(*to, *to + value); }
inline void fence_global() { emulator::spin(); }

// --- From the host.
// Puts a launch at the end of the stream. Returns 0, or the device's error.
template <class... P, class... A>
[[nodiscard]] inline int launch(const LaunchConfig& config, void (*kernel)(P...), A... arguments) {
  emulator::enqueue({config, [=] { kernel(P(arguments)...); }});
  return 0;
}

}  // namespace instructblip::kernels::dev
