#include "nn/kv_cache.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include "unit/nn/tensors.h"

namespace instructblip {
namespace {

constexpr std::int64_t kHeads = 2;
constexpr std::int64_t kWidth = 3;

// What a cache that copies would hold for row r: the plain implementation.
class CopyingCache {
 public:
  explicit CopyingCache(const at::Tensor& prompt) : rows_{prompt[0]} {}

  void step(const std::vector<std::int32_t>& sources, const at::Tensor& added) {
    std::vector<at::Tensor> next;
    for (std::size_t r = 0; r < sources.size(); ++r) {
      next.push_back(at::cat(
          {rows_[static_cast<std::size_t>(sources[r])], added[static_cast<std::int64_t>(r)]},
          1));  // [H, length, d]
    }
    rows_ = next;
  }
  const at::Tensor& row(std::size_t r) const { return rows_[r]; }

 private:
  std::vector<at::Tensor> rows_;
};

at::Tensor row_of(const nn::KvView& view, std::int64_t r) {
  if (!view.tail_keys.defined()) return view.shared_keys[0];
  if (!view.shared_keys.defined()) return view.tail_keys[r];
  return at::cat({view.shared_keys[0], view.tail_keys[r]}, 1);
}

TEST(KvCache, HoldsWhatACopyingCacheHoldsThroughReorders) {
  const at::Tensor prompt = wave({1, kHeads, 4, kWidth}, 0.1);
  nn::KvCache cache(1);
  cache.store_prompt(0, prompt, prompt * 2);
  CopyingCache plain(prompt);

  const std::vector<std::vector<std::int32_t>> steps = {
      {0, 0, 0}, {2, 0, 2},       {1, 1, 0}, {0, 2, 1}, {2, 2, 2},          {0, 1, 2},
      {1, 0},    {0, 1, 1, 0, 1}, {4, 4, 0}, {2},       {0, 0, 0, 0, 0, 0}, {5, 1}};
  double seed = 1;
  for (const auto& sources : steps) {
    const at::Tensor added =
        wave({static_cast<std::int64_t>(sources.size()), kHeads, 1, kWidth}, seed++);
    cache.begin_step(sources);
    const nn::KvView view = cache.append(0, added, added * 2);
    plain.step(sources, added);
    for (std::size_t r = 0; r < sources.size(); ++r) {
      const auto row = static_cast<std::int64_t>(r);
      EXPECT_EQ(largest_difference(row_of(view, row), plain.row(r)), 0.0) << "row " << r;
      EXPECT_EQ(largest_difference(view.tail_values[row], view.tail_keys[row] * 2), 0.0);
    }
  }
  EXPECT_EQ(cache.length(), 4 + static_cast<std::int64_t>(steps.size()));
}

TEST(KvCache, OneHypothesisExtendsTheSharedSegment) {
  const at::Tensor prompt = wave({1, kHeads, 2, kWidth}, 0.2);
  nn::KvCache cache(1);
  cache.store_prompt(0, prompt, prompt);
  CopyingCache plain(prompt);
  const std::vector<std::int32_t> same = {0};
  for (int step = 0; step < 80; ++step) {  // beyond the first growth
    const at::Tensor added = wave({1, kHeads, 1, kWidth}, step + 0.5);
    cache.begin_step(same);
    const nn::KvView view = cache.append(0, added, added);
    plain.step(same, added);
    ASSERT_FALSE(view.tail_keys.defined());
    ASSERT_EQ(largest_difference(view.shared_keys[0], plain.row(0)), 0.0) << "step " << step;
  }
  EXPECT_EQ(cache.length(), 82);
}

TEST(KvCache, WorksWithoutAPromptAndWithRowsThatBecomeMore) {
  nn::KvCache cache(1);  // a T5 decoder starts from nothing
  const at::Tensor first = wave({1, kHeads, 1, kWidth}, 1);
  cache.begin_step(std::vector<std::int32_t>{0});
  cache.append(0, first, first);
  CopyingCache plain(first);
  const at::Tensor second = wave({4, kHeads, 1, kWidth}, 2);
  const std::vector<std::int32_t> sources = {0, 0, 0, 0};
  cache.begin_step(sources);
  const nn::KvView view = cache.append(0, second, second);
  plain.step(sources, second);
  for (std::int64_t r = 0; r < 4; ++r) {
    EXPECT_EQ(largest_difference(row_of(view, r), plain.row(static_cast<std::size_t>(r))), 0.0);
  }
}

// A step that fails in a middle layer: the layers before have taken its keys and values, those
// behind have not.
class HalfDone : public testing::TestWithParam<std::vector<std::vector<std::int32_t>>> {};

constexpr std::int64_t kLayers = 3;

// Row sources of a step, and what each layer takes in it.
void take(nn::KvCache& cache, const std::vector<std::int32_t>& sources, double seed,
          std::vector<CopyingCache>& plain) {
  const auto rows = static_cast<std::int64_t>(sources.size());
  cache.begin_step(sources);
  for (std::int64_t layer = 0; layer < kLayers; ++layer) {
    const at::Tensor added = wave({rows, kHeads, 1, kWidth}, seed + static_cast<double>(layer));
    const nn::KvView view = cache.append(layer, added, added);
    CopyingCache& of_layer = plain[static_cast<std::size_t>(layer)];
    of_layer.step(sources, added);
    for (std::int64_t r = 0; r < rows; ++r) {
      const at::Tensor& want = of_layer.row(static_cast<std::size_t>(r));
      ASSERT_EQ(row_of(view, r).sizes(), want.sizes()) << "layer " << layer;
      ASSERT_EQ(largest_difference(row_of(view, r), want), 0.0) << "layer " << layer;
    }
  }
}

TEST_P(HalfDone, IsUndoneInAllLayers) {
  const auto& steps = GetParam();
  for (std::size_t failing = 0; failing < steps.size(); ++failing) {
    SCOPED_TRACE("step " + std::to_string(failing));
    const at::Tensor prompt = wave({1, kHeads, 2, kWidth}, 0.2);
    nn::KvCache cache(kLayers);
    std::vector<CopyingCache> plain;
    for (std::int64_t layer = 0; layer < kLayers; ++layer) {
      cache.store_prompt(layer, prompt, prompt);
      plain.emplace_back(prompt);
    }
    for (std::size_t i = 0; i < steps.size(); ++i) {
      if (i == failing) {
        const std::int64_t length = cache.length();
        const at::Tensor other =
            wave({static_cast<std::int64_t>(steps[i].size()), kHeads, 1, kWidth}, 77);
        cache.begin_step(steps[i]);
        cache.append(0, other, other);
        cache.append(1, other, other);
        cache.undo_step();
        EXPECT_EQ(cache.length(), length);
      }
      take(cache, steps[i], 10.0 * static_cast<double>(i) + 1, plain);
    }
  }
}

// One hypothesis; several from the first step on; one that becomes several; beams that end.
INSTANTIATE_TEST_SUITE_P(
    Steps, HalfDone,
    testing::Values(std::vector<std::vector<std::int32_t>>(40, {0}),
                    std::vector<std::vector<std::int32_t>>{{0, 0, 0}, {2, 0, 2}, {1, 1, 0}},
                    std::vector<std::vector<std::int32_t>>{{0}, {0}, {0, 0}, {1, 0}, {1, 1}},
                    std::vector<std::vector<std::int32_t>>{{0, 0, 0}, {2, 1}, {1}, {0}}));

}  // namespace
}  // namespace instructblip
