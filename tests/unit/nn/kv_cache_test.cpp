#include "nn/kv_cache.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "instructblip/error.h"
#include "unit/nn/tensors.h"

namespace instructblip {
namespace {

using Sources = std::vector<std::int32_t>;

constexpr std::int64_t kHeads = 2;
constexpr std::int64_t kWidth = 3;
constexpr std::int64_t kLayers = 3;

const nn::Runtime kRuntime;
const nn::KvPool kPool(kRuntime, kLayers, kHeads, kWidth);

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

// What row r of a view reads, [length, G, d].
at::Tensor read(const nn::KvView& view, const std::vector<float*>& pages, std::size_t r) {
  std::vector<std::int32_t> slots(view.shared.begin(), view.shared.end());
  const auto tail = view.tail.subspan(r * static_cast<std::size_t>(view.tail_length),
                                      static_cast<std::size_t>(view.tail_length));
  slots.insert(slots.end(), tail.begin(), tail.end());
  at::Tensor out = at::empty({std::ssize(slots), kHeads, kWidth});
  auto* to = out.data_ptr<float>();
  for (const std::int32_t slot : slots) {
    const std::int64_t place = slot % nn::KvPool::kPagePositions;
    const float* page = pages[static_cast<std::size_t>(slot / nn::KvPool::kPagePositions)];
    for (std::int64_t head = 0; head < kHeads; ++head) {
      const float* from = page + (head * nn::KvPool::kPagePositions + place) * kWidth;
      to = std::copy(from, from + kWidth, to);
    }
  }
  return out;
}

void expect_holds(const nn::KvCache& cache, std::int64_t layer, const CopyingCache& plain) {
  const nn::KvView view = cache.view(layer);
  for (std::size_t r = 0; r < plain.rows().size(); ++r) {
    const at::Tensor& want = plain.rows()[r];
    const at::Tensor keys = read(view, view.keys, r), values = read(view, view.values, r);
    ASSERT_EQ(keys.sizes(), want.sizes()) << "layer " << layer << " row " << r;
    EXPECT_EQ(largest_difference(keys, want), 0.0) << "layer " << layer << " row " << r;
    EXPECT_EQ(largest_difference(values, want * 2), 0.0) << "layer " << layer << " row " << r;
  }
}

// A cache and what it must hold, moved on together.
class Both {
 public:
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

  nn::KvCache cache{kPool};

 private:
  std::vector<CopyingCache> plain_ = std::vector<CopyingCache>(kLayers);
};

TEST(KvCache, HoldsWhatACopyingCacheHoldsThroughReorders) {
  Both both;
  both.sequence(4, 0.1);
  const std::vector<Sources> steps = {
      {0, 0, 0}, {2, 0, 2},       {1, 1, 0}, {0, 2, 1}, {2, 2, 2},          {0, 1, 2},
      {1, 0},    {0, 1, 1, 0, 1}, {4, 4, 0}, {2},       {0, 0, 0, 0, 0, 0}, {5, 1}};
  double seed = 1;
  for (const Sources& sources : steps) both.step(sources, seed += 4);
  EXPECT_EQ(both.cache.length(), 4 + std::ssize(steps));
}

TEST(KvCache, OneHypothesisExtendsTheSharedPositions) {
  Both both;
  both.sequence(2, 0.2);
  for (int step = 0; step < 80; ++step) {  // over several pages
    both.step({0}, step + 0.5);
    ASSERT_EQ(both.cache.view(0).tail_length, 0);
  }
  EXPECT_EQ(both.cache.length(), 82);
}

TEST(KvCache, TakesSeveralPositionsOfOneTextAtOnce) {
  Both both;
  both.sequence(15, 0.2);
  both.sequence(1, 4.2);
  both.sequence(20, 8.2);
  both.step({0}, 12.2);
  both.sequence(3, 16.2);
  both.step({0, 0}, 20.2);
  EXPECT_EQ(both.cache.length(), 41);
}

TEST(KvCache, WorksWithoutAPromptAndWithRowsThatBecomeMore) {
  Both both;  // a T5 decoder starts from nothing
  both.step({0}, 1);
  both.step({0, 0, 0, 0}, 5);
  both.step({3, 1}, 9);
}

TEST(KvCache, NothingMoves) {
  Both both;
  both.sequence(20, 0.3);
  const std::vector<float*> first = both.cache.view(1).keys;
  for (int step = 0; step < 30; ++step) both.step({0, 0, 0}, step + 1.5);
  const std::vector<float*> later = both.cache.view(1).keys;
  ASSERT_GT(later.size(), first.size());
  EXPECT_TRUE(std::equal(first.begin(), first.end(), later.begin()));
}

TEST(KvCache, SeveralHypothesesAreNoOneText) {
  Both both;
  both.sequence(2, 0.3);
  both.step({0, 0}, 4.3);
  EXPECT_THROW(both.cache.begin_sequence(1), Error);
  both.check();
}

TEST(KvCache, IsEmptyOnceItIsCleared) {
  Both both;
  both.sequence(20, 0.3);
  both.cache.clear();
  EXPECT_EQ(both.cache.length(), 0);
  EXPECT_TRUE(both.cache.view(0).keys.empty());
}

// A step that fails in a middle layer: the layers before have taken its keys and values, those
// behind have not.
class HalfDone : public testing::TestWithParam<std::vector<Sources>> {};

TEST_P(HalfDone, IsUndoneInAllLayers) {
  const std::vector<Sources>& steps = GetParam();
  for (std::size_t failing = 0; failing < steps.size(); ++failing) {
    SCOPED_TRACE("step " + std::to_string(failing));
    Both both;
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
INSTANTIATE_TEST_SUITE_P(Steps, HalfDone,
                         testing::Values(std::vector<Sources>(40, {0}),
                                         std::vector<Sources>{{0, 0, 0}, {2, 0, 2}, {1, 1, 0}},
                                         std::vector<Sources>{{0}, {0}, {0, 0}, {1, 0}, {1, 1}},
                                         std::vector<Sources>{{0, 0, 0}, {2, 1}, {1}, {0}}));

}  // namespace
}  // namespace instructblip
