// Launches that overlap, one behind the other: each waits for what it reads.
#include <cstring>
#include <vector>

#include "emulator/half_numbers.h"
#include "emulator/running.h"
#include "kernels/cuda/attention.h"
#include "kernels/cuda/kv_append.h"
#include "kernels/cuda/paged_attention.h"
#include "kernels/cuda/rows.h"
#include "kernels/cuda/skinny.h"

namespace instructblip::kernels::cuda {
namespace {

using T = dev::Half;
using emulator::half_numbers;

constexpr std::int32_t kRows = 2, kHeads = 2, kWidth = 16, kHidden = kHeads * kWidth, kInner = 48;

// A layer of a decoder, one new position for each of two rows, in seven launches.
struct Layer {
  std::vector<T> x = half_numbers<T>(kRows * kHidden, 1), gain = half_numbers<T>(kHidden, 2);
  std::vector<T> w_heads = half_numbers<T>(3 * kHidden * kHidden, 3);
  std::vector<T> w_out = half_numbers<T>(kHidden * kHidden, 4);
  std::vector<T> w_inner = half_numbers<T>(2 * kInner * kHidden, 5);
  std::vector<T> w_down = half_numbers<T>(kHidden * kInner, 6);
  std::vector<float> angles = std::vector<float>(kRows * kWidth / 2, 0.6f);
  std::vector<std::int32_t> slots = {0, 1}, lengths = {0, 1};
  std::vector<float> workspace;
  std::vector<unsigned> counters = std::vector<unsigned>(kHeads);

  // What launches write, blank before.
  std::vector<T> normal, heads, queries, keys, values, seen, h, inner, gated, y;
  std::vector<void*> key_pages, value_pages;

  template <class Between>
  void run(bool overlap, Between between) {
    for (auto* all : {&normal, &heads, &queries, &keys, &values, &seen, &h, &inner, &gated, &y}) {
      all->assign(1024, T{0x7e00});
    }
    key_pages = {keys.data()};
    value_pages = {values.data()};
    const SkinnyProblem product{.rows = kRows, .inputs = kHidden, .outputs = 3 * kHidden};
    SkinnyProblem out = product, up = product, down = product;
    out.outputs = down.outputs = kHidden;
    up.outputs = 2 * kInner;
    down.inputs = kInner;
    const PagedAttentionProblem pages{.requests = 1,
                                      .rows = kRows,
                                      .query_heads = kHeads,
                                      .key_heads = kHeads,
                                      .width = kWidth,
                                      .max_tail = 1,
                                      .page_positions = 4,
                                      .divisor = 4.0f};
    workspace.assign(paged_attention_workspace(pages), 0.0f);
    const auto expect = [&](int status) {
      EXPECT_EQ(status, 0);
      between();
    };
    expect(normalize({.rows = kRows, .width = kHidden, .eps = 1e-5f, .centred = false},
                     {x.data(), nullptr, nullptr, gain.data(), nullptr, normal.data()}, nullptr,
                     overlap));
    expect(multiply_skinny(product, {normal.data(), w_heads.data(), nullptr, nullptr, heads.data()},
                           nullptr, overlap));
    expect(append_keys_and_values({.positions = kRows,
                                   .query_heads = kHeads,
                                   .key_heads = kHeads,
                                   .width = kWidth,
                                   .page_positions = 4},
                                  {heads.data(), angles.data(), angles.data(), slots.data(),
                                   key_pages.data(), value_pages.data(), queries.data()},
                                  nullptr, overlap));
    expect(attend_pages(pages,
                        {.queries = queries.data(),
                         .pages_of_keys = key_pages.data(),
                         .pages_of_values = value_pages.data(),
                         .lengths = lengths.data(),
                         .shared_slots = nullptr,
                         .shared_lengths = nullptr,
                         .tail_slots = slots.data(),
                         .bias = nullptr,
                         .out = seen.data(),
                         .workspace = workspace.data(),
                         .counters = counters.data()},
                        nullptr, overlap));
    expect(multiply_skinny(out, {seen.data(), w_out.data(), nullptr, x.data(), h.data()}, nullptr,
                           overlap));
    expect(multiply_skinny(up, {h.data(), w_inner.data(), nullptr, nullptr, inner.data()}, nullptr,
                           overlap));
    expect(activate({.activation = Activation::silu, .rows = kRows, .width = kInner, .gated = true},
                    {inner.data(), nullptr, gated.data()}, nullptr, overlap));
    expect(multiply_skinny(down, {gated.data(), w_down.data(), nullptr, h.data(), y.data()},
                           nullptr, overlap));
  }
};

TEST(CudaChainTest, OverlappingLaunchesGiveTheBitsOfSeparateOnes) {
  Layer separate, chained;
  separate.run(false, [] { ASSERT_EQ(emulator::fault_of({}), ""); });
  for (std::size_t i = 0; i < kRows * kHidden; ++i) {
    ASSERT_NE(separate.y[i].bits, 0x7e00) << "not written";
  }
  for (const emulator::Schedule& schedule : emulator::schedules()) {
    chained.run(true, [] {});
    ASSERT_EQ(emulator::fault_of(schedule), "");
    EXPECT_EQ(std::memcmp(separate.y.data(), chained.y.data(), separate.y.size() * sizeof(T)), 0)
        << static_cast<int>(schedule.order);
  }
}

}  // namespace
}  // namespace instructblip::kernels::cuda
