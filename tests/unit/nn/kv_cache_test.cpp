#include "nn/kv_cache.h"

#include <ATen/ops/cat.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "instructblip/error.h"
#include "unit/nn/runtimes.h"
#include "unit/nn/tensors.h"

namespace instructblip {
namespace {

using Sources = std::vector<std::int32_t>;

constexpr std::int64_t kHeads = 2;
constexpr std::int64_t kWidth = 3;
constexpr std::int64_t kLayers = 3;

// Pages of their own, for kernels, and pages in one piece, for compositions.
const nn::Runtime kKernels;
const ComposingRuntime kCompositions;
enum class Pages { own, in_one_piece };
const nn::KvPool& pool_of(Pages pages) {
  static const nn::KvPool own(kKernels, kLayers, kHeads, kWidth);
  static const nn::KvPool in_one_piece(kCompositions, kLayers, kHeads, kWidth);
  return pages == Pages::own ? own : in_one_piece;
}

at::Tensor rows(std::int64_t count, double seed) { return wave({count, kHeads, kWidth}, seed); }

// What a cache that copies would hold: the plain implementation, one tensor [length, G, d] a row.
class CopyingCache {
 public:
  void extend(const at::Tensor& added) {
    rows_[0] = rows_[0].defined() ? at::cat({rows_[0], added}) : added;
  }
  void step(const Sources& sources, const at::Tensor& added) {
    std::vector<at::Tensor> next;
    for (std::size_t r = 0; r < sources.size(); ++r) {
      const at::Tensor& before = rows_[static_cast<std::size_t>(sources[r])];
      const at::Tensor own = added.narrow(0, static_cast<std::int64_t>(r), 1);
      next.push_back(before.defined() ? at::cat({before, own}) : own);
    }
    rows_ = next;
  }
  const std::vector<at::Tensor>& rows() const { return rows_; }

 private:
  std::vector<at::Tensor> rows_ = {at::Tensor()};
};

// What row r of a view of a cache of `length` positions reads, [length, G, d]: its keys (0) or its
// values (1).
at::Tensor read(const nn::KvView& view, std::int64_t which, std::int64_t r, std::int64_t length) {
  const at::Tensor tail =
      view.tail.slots.view({-1, std::max<std::int64_t>(length - view.shared.slots.numel(), 1)});
  const at::Tensor slots = length > view.shared.slots.numel()
                               ? at::cat({view.shared.slots, tail[r]})
                               : view.shared.slots;
  std::vector<at::Tensor> found;
  for (std::int64_t i = 0; i < slots.numel(); ++i) {
    const auto slot = slots[i].item<std::int64_t>();
    const std::int64_t page = slot / nn::KvPool::kPagePositions;
    const at::Tensor all = view.pool->in_one_piece()
                               ? view.pool->storage()[page]
                               : view.pages[static_cast<std::size_t>(page)].values;
    found.push_back(
        all[view.layer][which].select(1, slot % nn::KvPool::kPagePositions).unsqueeze(0));
  }
  return at::cat(found);
}

void expect_holds(const nn::KvCache& cache, std::int64_t layer, const CopyingCache& plain) {
  const nn::KvView view = cache.view(layer);
  for (std::size_t r = 0; r < plain.rows().size(); ++r) {
    const at::Tensor& want = plain.rows()[r];
    const auto row = static_cast<std::int64_t>(r);
    const at::Tensor keys = read(view, 0, row, cache.length());
    const at::Tensor values = read(view, 1, row, cache.length());
    ASSERT_EQ(keys.sizes(), want.sizes()) << "layer " << layer << " row " << r;
    EXPECT_EQ(largest_difference(keys, want), 0.0) << "layer " << layer << " row " << r;
    EXPECT_EQ(largest_difference(values, want * 2), 0.0) << "layer " << layer << " row " << r;
  }
}

// A cache and what it must hold, moved on together.
class Both {
 public:
  explicit Both(Pages pages) : cache(pool_of(pages)) {}

  void sequence(std::int64_t count, double seed) {
    cache.begin_sequence(count);
    for (std::int64_t layer = 0; layer < kLayers; ++layer) {
      const at::Tensor added = rows(count, seed + static_cast<double>(layer));
      cache.append(layer, added, added * 2);
      plain_[static_cast<std::size_t>(layer)].extend(added);
    }
    check();
  }
  void step(const Sources& sources, double seed) {
    cache.begin_step(sources);
    for (std::int64_t layer = 0; layer < kLayers; ++layer) {
      const at::Tensor added = rows(std::ssize(sources), seed + static_cast<double>(layer));
      cache.append(layer, added, added * 2);
      plain_[static_cast<std::size_t>(layer)].step(sources, added);
    }
    check();
  }
  void check() const {
    for (std::int64_t layer = 0; layer < kLayers; ++layer) {
      expect_holds(cache, layer, plain_[static_cast<std::size_t>(layer)]);
    }
  }

  void keep(std::size_t number) {
    cache.keep(number);
    kept_[number] = plain_;
  }
  void go_back(std::size_t number) {
    cache.go_back(number);
    plain_ = kept_.at(number);
    check();
  }

  nn::KvCache cache;

 private:
  std::map<std::size_t, std::vector<CopyingCache>> kept_;
  std::vector<CopyingCache> plain_ = std::vector<CopyingCache>(kLayers);
};

class KvCache : public testing::TestWithParam<Pages> {};

TEST_P(KvCache, HoldsWhatACopyingCacheHoldsThroughReorders) {
  Both both(GetParam());
  both.sequence(4, 0.1);
  const std::vector<Sources> steps = {
      {0, 0, 0}, {2, 0, 2},       {1, 1, 0}, {0, 2, 1}, {2, 2, 2},          {0, 1, 2},
      {1, 0},    {0, 1, 1, 0, 1}, {4, 4, 0}, {2},       {0, 0, 0, 0, 0, 0}, {5, 1}};
  double seed = 1;
  for (const Sources& sources : steps) both.step(sources, seed += 4);
  EXPECT_EQ(both.cache.length(), 4 + std::ssize(steps));
}

TEST_P(KvCache, OneHypothesisExtendsTheSharedPositions) {
  Both both(GetParam());
  both.sequence(2, 0.2);
  for (int step = 0; step < 80; ++step) {  // over several pages
    both.step({0}, step + 0.5);
    ASSERT_EQ(both.cache.view(0).tail.slots.numel(), 0);
  }
  EXPECT_EQ(both.cache.length(), 82);
}

TEST_P(KvCache, TakesSeveralPositionsOfOneTextAtOnce) {
  Both both(GetParam());
  both.sequence(15, 0.2);
  both.sequence(1, 4.2);
  both.sequence(20, 8.2);
  both.step({0}, 12.2);
  both.sequence(3, 16.2);
  both.step({0, 0}, 20.2);
  EXPECT_EQ(both.cache.length(), 41);
}

TEST_P(KvCache, WorksWithoutAPromptAndWithRowsThatBecomeMore) {
  Both both(GetParam());  // a T5 decoder starts from nothing
  both.step({0}, 1);
  both.step({0, 0, 0, 0}, 5);
  both.step({3, 1}, 9);
}

// As for candidate answers: some beginnings are followed to their ends before the others.
TEST_P(KvCache, GoesBackToWhatWasKept) {
  Both both(GetParam());
  both.sequence(14, 0.1);
  both.keep(0);
  both.step({0, 0, 0}, 2);
  both.keep(1);
  both.step({1, 1}, 6);
  both.step({0, 1, 1}, 10);
  both.go_back(1);
  both.step({2, 0, 0, 1}, 14);
  both.go_back(1);  // again, as a pass that failed would
  both.step({0}, 18);
  both.go_back(0);
  for (int step = 0; step < 40; ++step) both.step({0}, step + 22.5);  // over several pages
  both.go_back(0);
  both.step({0, 0}, 90);
  EXPECT_EQ(both.cache.length(), 15);
}

TEST(KvPages, OfTheirOwnNeverMove) {
  Both both(Pages::own);
  both.sequence(20, 0.3);
  const std::vector<float*> first = both.cache.view(1).keys();
  for (int step = 0; step < 30; ++step) both.step({0, 0, 0}, step + 1.5);
  const std::vector<float*> later = both.cache.view(1).keys();
  ASSERT_GT(later.size(), first.size());
  EXPECT_TRUE(std::equal(first.begin(), first.end(), later.begin()));
}

// Two caches grow past what the pool has at first, one ends, and the next one takes its pages.
TEST(KvPages, InOnePieceAreSharedAndUsedAgain) {
  const nn::KvPool& pool = pool_of(Pages::in_one_piece);
  auto one = std::make_unique<Both>(Pages::in_one_piece);
  Both two(Pages::in_one_piece);
  one->sequence(100, 0.3);
  two.sequence(40, 4.3);
  for (int step = 0; step < 80; ++step) {
    one->step({0, 0, 0}, step + 1.5);
    two.step({0}, step + 9.5);
  }
  one->check();
  two.check();
  const at::Tensor storage = pool.storage();
  one.reset();
  Both three(Pages::in_one_piece);
  three.sequence(200, 7.3);
  three.check();
  two.check();
  EXPECT_EQ(pool.storage().data_ptr(), storage.data_ptr());
}

TEST_P(KvCache, ComingSlotsAreThoseThatStepsTake) {
  Both both(GetParam());
  both.sequence(14, 0.3);  // the page ends with the first step
  const std::vector<std::int32_t> coming = both.cache.coming_slots(6);
  EXPECT_EQ(both.cache.length(), 14);
  for (std::size_t i = 0; i < 2; ++i) {
    both.step({0, 0, 0}, 4.3);
    const auto taken = both.cache.slots().newest;
    EXPECT_TRUE(std::ranges::equal(taken, std::span(coming).subspan(3 * i, 3))) << i;
  }
  both.check();
}

TEST_P(KvCache, SeveralHypothesesAreNoOneText) {
  Both both(GetParam());
  both.sequence(2, 0.3);
  both.step({0, 0}, 4.3);
  EXPECT_THROW(both.cache.begin_sequence(1), Error);
  both.check();
}

TEST_P(KvCache, IsEmptyOnceItIsCleared) {
  Both both(GetParam());
  both.sequence(20, 0.3);
  both.cache.clear();
  EXPECT_EQ(both.cache.length(), 0);
  EXPECT_TRUE(both.cache.view(0).pages.empty());
}

// A step that fails in a middle layer: the layers before have taken its keys and values, those
// behind have not.
class HalfDone : public testing::TestWithParam<std::tuple<std::vector<Sources>, Pages>> {};

TEST_P(HalfDone, IsUndoneInAllLayers) {
  const auto& [steps, pages] = GetParam();
  for (std::size_t failing = 0; failing < steps.size(); ++failing) {
    SCOPED_TRACE("step " + std::to_string(failing));
    Both both(pages);
    both.sequence(2, 0.2);
    for (std::size_t i = 0; i < steps.size(); ++i) {
      if (i == failing) {
        const std::int64_t length = both.cache.length();
        const at::Tensor other = rows(std::ssize(steps[i]), 77);
        both.cache.begin_step(steps[i]);
        both.cache.append(0, other, other);
        both.cache.append(1, other, other);
        both.cache.undo();
        EXPECT_EQ(both.cache.length(), length);
        both.check();
      }
      both.step(steps[i], 10.0 * static_cast<double>(i) + 1);
    }
  }
}

// One hypothesis; several from the first step on; one that becomes several; beams that end.
INSTANTIATE_TEST_SUITE_P(
    Steps, HalfDone,
    testing::Combine(testing::Values(std::vector<Sources>(40, {0}),
                                     std::vector<Sources>{{0, 0, 0}, {2, 0, 2}, {1, 1, 0}},
                                     std::vector<Sources>{{0}, {0}, {0, 0}, {1, 0}, {1, 1}},
                                     std::vector<Sources>{{0, 0, 0}, {2, 1}, {1}, {0}}),
                     testing::Values(Pages::own, Pages::in_one_piece)));

INSTANTIATE_TEST_SUITE_P(Pages, KvCache, testing::Values(Pages::own, Pages::in_one_piece));

}  // namespace
}  // namespace instructblip
