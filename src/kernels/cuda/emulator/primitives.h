// What the functions of kernel_side.h do, on the thread that runs.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/cuda/emulator/site.h"

namespace instructblip::emulator {

struct Place {
  std::uint32_t x, y, z;
};
std::uint32_t thread_index();
std::uint32_t threads_of_block();
Place block_index();
Place blocks_of_grid();

void sync_threads(const Site& where);
// A barrier by number, for `count` threads. Who only arrives does not wait.
void named_barrier(std::uint32_t id, std::uint32_t count, bool waits, const Site& where);
void sync_warp(std::uint32_t mask, const Site& where);
// Lane l receives what lane source(l) gave; a source outside of the warp is itself.
enum class Shuffle { exclusive_or, down, index };
std::uint32_t shuffle(Shuffle kind, std::uint32_t value, std::uint32_t by, std::uint32_t mask,
                      const Site& where);
std::uint32_t ballot(bool predicate, std::uint32_t mask, const Site& where);

void read_shared(std::uint32_t offset, std::uint32_t bytes, void* to, bool late, const Site& where);
void write_shared(std::uint32_t offset, std::uint32_t bytes, const void* from, const Site& where);

// Four matrices of 8 x 8 16-bit numbers; lane l gives row l % 8 of matrix l / 8.
void load_matrices(std::uint32_t offset, std::uint32_t (&to)[4], bool transposed,
                   const Site& where);
// c [16, 8] += a [16, 16] b [16, 8].
struct Product {
  const std::uint32_t* a;  // four words of each lane, as PTX lays them out
  const std::uint32_t* b;  // two
  float* c;                // four
  bool bfloat;
};
void multiply_matrices(const Product& product, const Site& where);
// The same for all lanes at once.
void multiply_all(void* const* products);

void copy_async(std::uint32_t offset, const void* from, bool valid, const Site& where);
void commit_copies();
void wait_for_copies(std::uint32_t still_open, const Site& where);

void init_mbarrier(std::uint32_t offset, std::uint32_t count, const Site& where);
void arrive_mbarrier(std::uint32_t offset, std::uint32_t expected_bytes, const Site& where);
void wait_mbarrier(std::uint32_t offset, std::uint32_t parity, const Site& where);
void copy_bulk(std::uint32_t to, const void* from, std::uint32_t bytes, std::uint32_t barrier,
               const Site& where);

void grid_signal();
void grid_wait(const Site& where);
void spin();
void check_global(const void* address, std::size_t bytes, const Site& where);

}  // namespace instructblip::emulator
