// The tables of a step: what is in them, and when steps share one record.
#include "nn/step_tables.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <numeric>
#include <vector>

#include "nn/kv_cache.h"
#include "unit/nn/stand_in_device.h"

namespace instructblip {
namespace {

using Ids = std::vector<std::int32_t>;

Ids values_of(const at::Tensor& x) {
  const at::Tensor here = nn::to_host(x).contiguous();
  const auto* const first = here.const_data_ptr<std::int32_t>();
  return {first, first + here.numel()};
}

class StepTables : public testing::Test {
 protected:
  // A cache with a prompt of so many rows.
  nn::KvCache& cache(std::int64_t prompt) {
    caches_.push_back(std::make_unique<nn::KvCache>(pool_));
    caches_.back()->begin_sequence(prompt);
    return *caches_.back();
  }
  // The tables of caches whose step has been begun, with as many rows each.
  nn::StepTables tables(const std::vector<nn::KvCache*>& caches, std::int64_t rows,
                        const std::vector<nn::KvCache*>& memories = {}) {
    Ids numbers(caches.size() * static_cast<std::size_t>(rows));
    std::iota(numbers.begin(), numbers.end(), 1);
    return {runtime_, {1, rows, caches, memories, numbers, numbers}};
  }
  // The key of one request with a prompt, then `steps` steps of `rows` hypotheses.
  nn::StepKey key_of(std::int64_t prompt, std::int64_t rows, int steps = 1,
                     std::int64_t memory = 0) {
    nn::KvCache& own = cache(prompt);
    for (int i = 0; i < steps; ++i) own.begin_step(Ids(static_cast<std::size_t>(rows), 0));
    std::vector<nn::KvCache*> memories;
    if (memory > 0) memories.push_back(&cache(memory));
    const nn::StepKey key = tables({&own}, rows, memories).key();
    caches_.clear();
    return key;
  }

  StandInRuntime runtime_;
  nn::KvPool pool_{runtime_, 2, 2, 4};
  std::vector<std::unique_ptr<nn::KvCache>> caches_;
};

TEST_F(StepTables, OneKeyForWhatIsPaddedAlike) {
  (void)key_of(2000, 2);  // the pool is large enough from now on
  const nn::StepKey key = key_of(5, 2);
  EXPECT_EQ(key_of(20, 2), key);
  EXPECT_EQ(key_of(5, 2, 9), key);     // 16 positions of a row's own at most
  EXPECT_NE(key_of(70, 2), key);       // more shared positions
  EXPECT_NE(key_of(5, 2, 17), key);    // more of a row's own
  EXPECT_NE(key_of(5, 3), key);        // more rows
  EXPECT_NE(key_of(5, 2, 1, 6), key);  // a memory
  EXPECT_NE(key_of(5, 2, 1, 70), key_of(5, 2, 1, 6));
  EXPECT_NE(key_of(5, 1), key);  // which extends the shared positions
  const std::vector<nn::KvCache*> two = {&cache(5), &cache(5)};
  for (nn::KvCache* each : two) each->begin_step(Ids{0, 0});
  EXPECT_NE(tables(two, 2).key(), key);  // more requests
}

TEST_F(StepTables, AnotherKeyWherePagesHaveMoved) {
  const nn::StepKey key = key_of(5, 2);
  (void)key_of(900, 1);
  EXPECT_NE(key_of(5, 2), key);
}

TEST_F(StepTables, KnowWhetherTheirPagesHaveMoved) {
  nn::KvCache& one = cache(5);
  one.begin_step(Ids{0, 0});
  const nn::StepTables before = tables({&one}, 2);
  EXPECT_TRUE(before.reads_pages_of_today());
  (void)key_of(900, 1);
  EXPECT_FALSE(before.reads_pages_of_today());
}

TEST_F(StepTables, HoldWhatRowsSeeAndASparePageForTheRest) {
  nn::KvCache &one = cache(3), &two = cache(2), &three = cache(1);
  one.begin_step(Ids{0, 0});
  one.begin_step(Ids{1, 0});
  two.begin_step(Ids{0});
  three.begin_step(Ids{0});
  const std::int32_t spare = pool_.spare_page() * 16;
  const nn::StepTables all = tables({&one, &two, &three}, 2);
  const nn::StepSlots& slots = all.cache();
  EXPECT_EQ(slots.requests, 4);
  EXPECT_EQ(values_of(all.tokens()), (Ids{1, 2, 3, 4, 5, 6, 0, 0}));
  EXPECT_EQ(values_of(slots.lengths), (Ids{3, 2, 3, 0, 2, 0, 1, 0}));
  const auto first_of = [](const nn::KvCache& of) { return of.slots().shared.front(); };
  const std::int32_t a = first_of(one), b = first_of(two), c = first_of(three);
  EXPECT_EQ(values_of(slots.newest),
            (Ids{a + 5, a + 6, b + 2, spare + 1, c + 1, spare + 1, spare, spare + 1}));
  const at::Tensor shared = slots.shared.narrow(1, 0, 4);
  EXPECT_EQ(values_of(shared), (Ids{a, a + 1, a + 2, spare, b, b + 1, b + 2, spare,  //
                                    c, c + 1, spare, spare, spare, spare, spare, spare}));
  const at::Tensor tails = slots.tails.narrow(1, 0, 3).narrow(0, 0, 3);
  EXPECT_EQ(values_of(tails), (Ids{a + 4, a + 5, spare, a + 3, a + 6, spare, spare, spare, spare}));
  EXPECT_EQ(slots.max_shared(), 64);
  EXPECT_EQ(slots.max_tail(), 16);
}

}  // namespace
}  // namespace instructblip
