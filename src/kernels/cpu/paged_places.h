// Which keys and values are read, and which after them, for the instruction set that the including
// file is compiled for.
#pragma once

#include "kernels/cpu/lanes.h"
#include "kernels/cpu/paged_rows.h"

namespace instructblip::kernels::cpu {
namespace {

// Positions whose keys, or values, stay in a near cache for all queries of a task; and as many as
// memory is asked for before they are used: half as many came late.
constexpr std::int64_t kBlock = 64;

// Up to kBlock keys, or values, and as many of those behind them, which memory is asked for while
// these are used. It is waited for otherwise: a page holds little of a head, and no processor reads
// ahead from one page to the next.
struct Block {
  const float* found[kBlock];
  const float* next[kBlock];  // somewhere near where there is no next one
  std::int64_t count;
};

INSTRUCTBLIP_KERNEL std::int64_t size_of_block(std::int64_t left) {
  return left < kBlock ? left : kBlock;
}

// The blocks of a pass over the keys, or the values, of one key head: those of shared positions,
// then those of the rows' tails.
class Walk {
 public:
  // What is asked for behind the last block is the first one of `after`, of the key head
  // `head_after`.
  INSTRUCTBLIP_KERNEL Walk(const PagedRows& r, const PagedPlaces& places, const PagedPlaces& after,
                           std::int64_t head_after)
      : places_(places),
        after_(after),
        shared_(r.shared),
        first_tail_(r.first_row * r.tail),
        last_tail_(r.last_row * r.tail),
        offset_(r.key_head * r.apart),
        offset_after_(head_after * r.apart) {}

  // A block of the shared positions from `begin`.
  INSTRUCTBLIP_KERNEL void shared_block(std::int64_t begin, Block& block) const {
    fill(places_.shared + begin, size_of_block(shared_ - begin), block);
    begin += block.count;
    if (begin < shared_) {
      ask_for(places_.shared + begin, size_of_block(shared_ - begin), offset_, block);
    } else {
      ask_for_tail(first_tail_, block);
    }
  }

  // A block of the positions from `begin` on in all tails, `left` of them in this row.
  INSTRUCTBLIP_KERNEL void tail_block(std::int64_t begin, std::int64_t left, Block& block) const {
    fill(places_.tails + begin, size_of_block(left), block);
    ask_for_tail(begin + block.count, block);
  }

 private:
  INSTRUCTBLIP_KERNEL void fill(const float* const* places, std::int64_t count,
                                Block& block) const {
    for (std::int64_t i = 0; i < count; ++i) block.found[i] = places[i] + offset_;
    block.count = count;
  }

  INSTRUCTBLIP_KERNEL void ask_for(const float* const* places, std::int64_t count,
                                   std::int64_t offset, Block& block) const {
    std::int64_t i = 0;
    for (; i < count; ++i) block.next[i] = places[i] + offset;
    for (; i < block.count; ++i) block.next[i] = block.found[i];
  }

  INSTRUCTBLIP_KERNEL void ask_for_tail(std::int64_t begin, Block& block) const {
    if (begin < last_tail_) {
      ask_for(places_.tails + begin, size_of_block(last_tail_ - begin), offset_, block);
    } else if (shared_ > 0) {
      ask_for(after_.shared, size_of_block(shared_), offset_after_, block);
    } else {
      ask_for(after_.tails + first_tail_, size_of_block(last_tail_ - first_tail_), offset_after_,
              block);
    }
  }

  PagedPlaces places_, after_;
  std::int64_t shared_, first_tail_, last_tail_, offset_, offset_after_;
};

}  // namespace
}  // namespace instructblip::kernels::cpu
