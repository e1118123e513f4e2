// A decoder's layer in five launches that overlap: what norms, rotation, the way into the pages and
// the gate take elsewhere is part of products.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "emulator/half_numbers.h"
#include "emulator/running.h"
#include "emulator/tiled_matrix.h"
#include "kernels/cuda/kv_append.h"
#include "kernels/cuda/paged_attention.h"
#include "kernels/cuda/rows.h"
#include "kernels/cuda/skinny.h"
#include "kernels/cuda/tiled_product.h"

namespace instructblip::kernels::cuda {
namespace {

using T = dev::Half;
using emulator::half_numbers;
using Finish = TiledProductProblem::Finish;

constexpr std::int32_t kRows = 2, kHeads = 2, kWidth = 16, kHidden = kHeads * kWidth, kInner = 48;
constexpr std::size_t kBuffer = 1024;

// So small that nothing overflows on the way.
std::vector<T> small_numbers(std::int64_t count, std::uint32_t seed) {
  std::vector<float> values = numbers(count, seed);
  for (float& value : values) value *= 0x1p-5f;
  return emulator::narrowed<T>(values);
}

// One new position for each of two rows.
struct Layer {
  std::vector<T> x = small_numbers(kRows * kHidden, 1), gain = small_numbers(kHidden, 2);
  Matrix<T> heads{Format::f16, 3 * kHidden, kHidden, 3}, out{Format::f16, kHidden, kHidden, 4};
  Matrix<T> inner{Format::f16, 2 * kInner, kHidden, 5}, down{Format::f16, kHidden, kInner, 6};
  std::vector<float> cosines = std::vector<float>(kRows * kWidth / 2, 0.8f);
  std::vector<float> sines = std::vector<float>(kRows * kWidth / 2, 0.6f);
  std::vector<std::int32_t> slots = {0, 1}, lengths = {0, 1};
  PagedAttentionProblem pages{.requests = 1,
                              .rows = kRows,
                              .query_heads = kHeads,
                              .key_heads = kHeads,
                              .width = kWidth,
                              .max_tail = 1,
                              .page_positions = 4,
                              .divisor = 4.0f};
  std::vector<float> workspace = std::vector<float>(paged_attention_workspace(pages));
  std::vector<unsigned> counters = std::vector<unsigned>(kHeads);

  // What launches write.
  std::vector<T> normal, all_heads, queries, keys, values, seen, h, opened, gated, y;
  std::vector<void*> key_pages, value_pages;

  void blank() {
    for (auto* all :
         {&normal, &all_heads, &queries, &keys, &values, &seen, &h, &opened, &gated, &y}) {
      all->assign(kBuffer, T{0x7e00});
    }
    key_pages = {keys.data()};
    value_pages = {values.data()};
  }

  void attend(bool overlaps) {
    const PagedAttentionBuffers buffers{.queries = queries.data(),
                                        .pages_of_keys = key_pages.data(),
                                        .pages_of_values = value_pages.data(),
                                        .lengths = lengths.data(),
                                        .shared_slots = nullptr,
                                        .shared_lengths = nullptr,
                                        .tail_slots = slots.data(),
                                        .bias = nullptr,
                                        .out = seen.data(),
                                        .workspace = workspace.data(),
                                        .counters = counters.data()};
    EXPECT_EQ(attend_pages(pages, buffers, nullptr, overlaps), 0);
  }
};

struct FusedLayer : Layer {
  Tiles heads_tiles = tiles_of_heads(heads, kWidth), out_tiles = plain_tiles(out);
  Tiles inner_tiles{Format::f16, kHidden}, down_tiles = plain_tiles(down);

  FusedLayer() {  // the gate, then what it is multiplied with
    for (std::int64_t i = 0; i < kInner / 8; ++i) {
      inner_tiles.add(inner.half(gated_halves(i).upper), inner.half(kInner / 8 + i));
    }
  }

  void launch(bool bulk, bool overlaps) {
    blank();
    TiledProductProblem problem;
    problem.rows = kRows;
    problem.inputs = kHidden;
    problem.outputs = kHidden;
    problem.processors = 2;
    problem.bulk_copies = bulk;
    TiledProductProblem first = problem, open = problem, close = problem;
    first.outputs = 3 * kHidden;
    first.norm = TiledProductProblem::Norm::rms;
    first.eps = 1e-5f;
    first.finish = Finish::heads;
    first.query_heads = first.key_heads = kHeads;
    first.width = kWidth;
    first.page_positions = 4;
    TiledProductBuffers buffers{x.data(), heads_tiles.data()};
    buffers.norm_weight = gain.data();
    buffers.cosines = cosines.data();
    buffers.sines = sines.data();
    buffers.slots = slots.data();
    buffers.pages_of_keys = key_pages.data();
    buffers.pages_of_values = value_pages.data();
    buffers.queries = queries.data();
    EXPECT_EQ(multiply_tiles(first, buffers, nullptr, overlaps), 0);
    attend(overlaps);
    buffers = {seen.data(), out_tiles.data(), h.data()};
    buffers.residual = x.data();
    EXPECT_EQ(multiply_tiles(problem, buffers, nullptr, overlaps), 0);
    open.finish = Finish::gated;
    open.outputs = kInner;
    EXPECT_EQ(multiply_tiles(open, {h.data(), inner_tiles.data(), gated.data()}, nullptr, overlaps),
              0);
    close.inputs = kInner;
    buffers = {gated.data(), down_tiles.data(), y.data()};
    buffers.residual = h.data();
    EXPECT_EQ(multiply_tiles(close, buffers, nullptr, overlaps), 0);
  }
};

// The same by a kernel for each.
struct SeparateLayer : Layer {
  std::vector<T> w_heads = half_numbers<T>(3 * kHidden * kHidden, 3);
  std::vector<T> w_out = half_numbers<T>(kHidden * kHidden, 4);
  std::vector<T> w_inner = half_numbers<T>(2 * kInner * kHidden, 5);
  std::vector<T> w_down = half_numbers<T>(kHidden * kInner, 6);

  void multiply(const std::vector<T>& from, const std::vector<T>& weights, std::int32_t inputs,
                std::int32_t outputs, const T* residual, std::vector<T>& to) {
    EXPECT_EQ(multiply_skinny({.rows = kRows, .inputs = inputs, .outputs = outputs},
                              {from.data(), weights.data(), nullptr, residual, to.data()}, nullptr,
                              false),
              0);
  }

  void launch() {
    blank();
    EXPECT_EQ(normalize({.rows = kRows, .width = kHidden, .eps = 1e-5f, .centred = false},
                        {x.data(), nullptr, nullptr, gain.data(), nullptr, normal.data()}, nullptr,
                        false),
              0);
    multiply(normal, w_heads, kHidden, 3 * kHidden, nullptr, all_heads);
    EXPECT_EQ(append_keys_and_values({.positions = kRows,
                                      .query_heads = kHeads,
                                      .key_heads = kHeads,
                                      .width = kWidth,
                                      .page_positions = 4},
                                     {all_heads.data(), cosines.data(), sines.data(), slots.data(),
                                      key_pages.data(), value_pages.data(), queries.data()},
                                     nullptr, false),
              0);
    attend(false);
    multiply(seen, w_out, kHidden, kHidden, x.data(), h);
    multiply(h, w_inner, kHidden, 2 * kInner, nullptr, opened);
    EXPECT_EQ(
        activate({.activation = Activation::silu, .rows = kRows, .width = kInner, .gated = true},
                 {opened.data(), nullptr, gated.data()}, nullptr, false),
        0);
    multiply(gated, w_down, kInner, kHidden, h.data(), y);
  }
};

TEST(FusedChainTest, GivesTheBitsOfSeparateLaunchesInFive) {
  FusedLayer one_by_one;
  one_by_one.launch(false, false);
  EXPECT_EQ(emulator::run_queue({}).launches, 5);
  for (const bool bulk : emulator::with_and_without_bulk_copies()) {
    for (const emulator::Schedule& schedule : emulator::schedules()) {
      FusedLayer chained;
      chained.launch(bulk, true);
      ASSERT_EQ(emulator::fault_of(schedule), "");
      EXPECT_EQ(std::memcmp(one_by_one.y.data(), chained.y.data(), kBuffer * sizeof(T)), 0);
    }
  }
  SeparateLayer separate;
  separate.launch();
  ASSERT_EQ(emulator::fault_of({}), "");
  float largest = 0.0f;
  for (std::size_t i = 0; i < kRows * kHidden; ++i) {
    largest = std::max(largest, std::abs(dev::widen(separate.y[i])));
  }
  for (std::size_t i = 0; i < kRows * kHidden; ++i) {  // fewer roundings on the way
    EXPECT_NEAR(dev::widen(one_by_one.y[i]), dev::widen(separate.y[i]), 3e-3f * largest) << i;
  }
}

}  // namespace
}  // namespace instructblip::kernels::cuda
