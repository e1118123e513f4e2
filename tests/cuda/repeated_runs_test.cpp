// Kernels whose data lie in the memory of the device, hundreds of times: weights that stay in its
// L2 cache, and weights that do not. Each run must have the bits of the first, and of one that
// reads the processor's memory, where the time that copies take is another. What a kernel computes
// is tested in tests/emulator.
#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <ostream>
#include <string>
#include <vector>

#include "cuda/device_data.h"
#include "emulator/half_numbers.h"
#include "emulator/running.h"
#include "kernels/cuda/attention.h"
#include "kernels/cuda/paged_attention.h"
#include "kernels/cuda/skinny.h"
#include "kernels/cuda/tiled_product.h"
#include "kernels/cuda/weight_tiles.h"

namespace instructblip::kernels::cuda {
namespace {

using Finish = TiledProductProblem::Finish;

// What `times` runs write, each `bytes` bytes at its own place.
template <class Launch>
Bytes all_runs(Memory& memory, std::size_t bytes, std::size_t times, Launch launch) {
  std::byte* out = memory.blank(bytes * times);
  for (std::size_t i = 0; i < times; ++i) launch(out + i * bytes);
  EXPECT_EQ(emulator::fault_of({}), "");
  Bytes all(bytes * times);
  test::copy_memory(all.data(), out, all.size());
  return all;
}

void expect_same_bits(const Bytes& once, const Bytes& all) {
  std::size_t different = 0;
  const std::size_t times = all.size() / once.size();
  for (std::size_t i = 0; i < times; ++i) {
    if (std::memcmp(once.data(), all.data() + i * once.size(), once.size()) != 0) ++different;
  }
  EXPECT_EQ(different, 0u) << "of " << times << " runs";
  std::size_t odd = 0;
  for (std::size_t i = 0; i + 1 < once.size(); i += 2) {
    dev::Half value;
    std::memcpy(&value, once.data() + i, sizeof(value));
    const bool untouched = value.bits == 0x7d7d;
    if (untouched || !std::isfinite(dev::widen(value))) ++odd;
  }
  EXPECT_EQ(odd, 0u) << "numbers that are not finite, or that nobody has written";
}

struct Product {
  Weights weights;
  bool bulk;
  std::int32_t rows, inputs, outputs;
};
void PrintTo(const Product& p, std::ostream* out) {
  *out << p.weights << (p.bulk ? ", bulk, " : ", ") << p.rows << " x " << p.inputs << " x "
       << p.outputs;
}

void expect_product(const Product& p) {
  SCOPED_TRACE(testing::PrintToString(p));
  const Bytes tiles = random_tiles(p.weights.format, p.inputs, p.outputs / kRowsOfTile);
  const auto x = emulator::half_numbers<dev::Half>(std::int64_t{p.rows} * p.inputs, 1);
  TiledProductProblem problem;
  problem.weights = p.weights.format;
  problem.layout = p.weights.layout;
  problem.rows = p.rows;
  problem.inputs = p.inputs;
  problem.outputs = p.outputs;
  problem.bulk_copies = p.bulk;
  const auto bytes = static_cast<std::size_t>(p.rows * p.outputs) * sizeof(dev::Half);
  const auto runs = [&](Place place, std::size_t times) {
    Memory memory(place);
    TiledProductBuffers buffers{memory.put(x), memory.put(tiles)};
    return all_runs(memory, bytes, times, [&](std::byte* out) {
      buffers.y = out;
      EXPECT_EQ(multiply_tiles(problem, buffers, nullptr, true), 0);
    });
  };
  expect_same_bits(runs(Place::mapped, 1), runs(Place::device, 300));
}

TEST(RepeatedRunsTest, ProductsOfTilesHaveTheSameBits) {
  for (const bool bulk : emulator::with_and_without_bulk_copies()) {
    for (const Weights& weights : kWeights) {
      for (const std::int32_t rows : {1, 5, 16, 32}) {
        expect_product({weights, bulk, rows, 1024, 4096});
        expect_product({weights, bulk, rows, 2112, 2048});
      }
      expect_product({weights, bulk, 1, 4096, 12288});
      expect_product({weights, bulk, 8, 4096, 12288});
    }
  }
}

TEST(RepeatedRunsTest, SkinnyProductsHaveTheSameBits) {
  for (const std::int32_t outputs : {2048, 12288}) {
    SCOPED_TRACE(outputs);
    const SkinnyProblem problem{.rows = 5, .inputs = 4096, .outputs = outputs};
    const Bytes weights = random_tiles(Format::f16, 4096, outputs / kRowsOfTile);
    const auto x = emulator::half_numbers<dev::Half>(std::int64_t{5} * 4096, 1);
    const auto runs = [&](Place place, std::size_t times) {
      Memory memory(place);
      SkinnyBuffers buffers{memory.put(x), memory.put(weights), nullptr, nullptr, nullptr};
      return all_runs(memory, static_cast<std::size_t>(outputs) * 10, times, [&](std::byte* out) {
        buffers.y = out;
        EXPECT_EQ(multiply_skinny(problem, buffers, nullptr, true), 0);
      });
    };
    expect_same_bits(runs(Place::mapped, 1), runs(Place::device, 300));
  }
}

TEST(RepeatedRunsTest, AttentionHasTheSameBits) {
  constexpr std::int32_t kSequences = 4, kLength = 257, kHeads = 16, kWidth = 88;
  constexpr std::int64_t kPitch = 3 * kHeads * kWidth;
  AttentionProblem problem{.sequences = kSequences,
                           .max_queries = kLength,
                           .query_heads = kHeads,
                           .key_heads = kHeads,
                           .width = kWidth,
                           .divisor = 9.4f};
  const auto heads = emulator::half_numbers<dev::Half>(kSequences * kLength * kPitch, 1);
  std::vector<std::int32_t> offsets;
  for (std::int32_t i = 0; i <= kSequences; ++i) offsets.push_back(i * kLength);
  const auto runs = [&](Place place, std::size_t times) {
    Memory memory(place);
    const dev::Half* all = memory.put(heads);
    const std::int32_t* ends = memory.put(offsets);
    const std::size_t bytes = std::size_t{kSequences} * kLength * kHeads * kWidth * 2;
    return all_runs(memory, bytes, times, [&](std::byte* out) {
      const AttentionBuffers buffers{all,
                                     all + kHeads * kWidth,
                                     all + 2 * kHeads * kWidth,
                                     kPitch,
                                     kPitch,
                                     kPitch,
                                     kHeads * kWidth,
                                     ends,
                                     ends,
                                     nullptr,
                                     out};
      EXPECT_EQ(attend(problem, buffers, nullptr, true), 0);
    });
  };
  expect_same_bits(runs(Place::mapped, 1), runs(Place::device, 100));
}

struct Sizes {
  Weights weights;
  bool bulk;
  std::int32_t rows, heads, width, inner, layers;
  std::int32_t hidden() const { return heads * width; }
};

void PrintTo(const Sizes& s, std::ostream* out) {
  *out << s.weights << (s.bulk ? ", bulk" : "") << ", hidden " << s.hidden() << ", rows " << s.rows;
}

// New positions of a decoder behind a shared prompt: five launches for each layer.
class Chain {
 public:
  Chain(const Sizes& s, Place place) : sizes_(s), memory_(place) {
    const auto hidden = s.hidden();
    x_ = memory_.put(emulator::half_numbers<dev::Half>(std::int64_t{s.rows} * hidden, 1));
    gain_ = memory_.put(std::vector<dev::Half>(static_cast<std::size_t>(hidden), {0x3c00}));
    const auto angles = static_cast<std::size_t>(s.rows * s.width / 2);
    cosines_ = memory_.put(std::vector<float>(angles, 0.8f));
    sines_ = memory_.put(std::vector<float>(angles, 0.6f));
    std::vector<std::int32_t> shared, own;
    for (std::int32_t i = 0; i < kPrompt; ++i) shared.push_back(i);
    for (std::int32_t i = 0; i < s.rows; ++i) own.push_back(kPrompt + i);
    shared_slots_ = memory_.put(shared);
    own_slots_ = memory_.put(own);
    lengths_ = memory_.put(std::vector<std::int32_t>{kPrompt, 1});
    pages_ = {.requests = 1,
              .rows = s.rows,
              .query_heads = s.heads,
              .key_heads = s.heads,
              .width = s.width,
              .max_shared = kPrompt,
              .max_tail = 1,
              .page_positions = kPagePositions,
              .divisor = std::sqrt(static_cast<float>(s.width))};
    workspace_ = memory_.put(std::vector<float>(paged_attention_workspace(pages_)));
    counters_ = memory_.put(std::vector<unsigned>(static_cast<std::size_t>(s.heads)));
    for (std::byte** rows : {&queries_, &seen_, &h_, &y_}) *rows = memory_.blank(row_bytes());
    gated_ = memory_.blank(static_cast<std::size_t>(s.rows * s.inner) * 2);
    for (std::int32_t i = 0; i < s.layers; ++i) layers_.push_back(make_layer());
  }

  Bytes run(std::size_t times) {
    return all_runs(memory_, row_bytes(), times, [this](std::byte* out) { launch(out); });
  }

 private:
  static constexpr std::int32_t kPrompt = 150, kPagePositions = 16;
  struct Layer {
    const std::byte *heads, *out, *inner, *down;
    void **keys, **values;
  };

  std::size_t row_bytes() const {
    return static_cast<std::size_t>(sizes_.rows * sizes_.hidden()) * 2;
  }
  const std::byte* tiles(std::int32_t inputs, std::int32_t rows) {
    return memory_.put(random_tiles(sizes_.weights.format, inputs, rows / kRowsOfTile));
  }
  void** page_table(std::uint32_t seed) {
    std::vector<void*> table;
    for (std::int32_t at = 0; at < kPrompt + sizes_.rows; at += kPagePositions) {
      const std::int64_t size = std::int64_t{sizes_.hidden()} * kPagePositions;
      table.push_back(memory_.put(emulator::half_numbers<dev::Half>(size, seed++)));
    }
    return memory_.put(table);
  }
  Layer make_layer() {
    const std::int32_t hidden = sizes_.hidden();
    return {tiles(hidden, 3 * hidden),   tiles(hidden, hidden), tiles(hidden, 2 * sizes_.inner),
            tiles(sizes_.inner, hidden), page_table(10),        page_table(100)};
  }

  void launch(std::byte* out) {
    const std::byte* in = reinterpret_cast<const std::byte*>(x_);
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      std::byte* to = i + 1 == layers_.size() ? out : y_;
      launch_layer(layers_[i], in, to);
      in = to;
    }
  }

  void launch_layer(const Layer& layer, const std::byte* in, std::byte* out) {
    TiledProductProblem problem;
    problem.weights = sizes_.weights.format;
    problem.layout = sizes_.weights.layout;
    problem.bulk_copies = sizes_.bulk;
    problem.rows = sizes_.rows;
    problem.inputs = problem.outputs = sizes_.hidden();
    problem.eps = 1e-5f;
    TiledProductProblem first = problem, open = problem, close = problem;
    first.outputs = 3 * sizes_.hidden();
    first.norm = TiledProductProblem::Norm::rms;
    first.finish = Finish::heads;
    first.query_heads = first.key_heads = sizes_.heads;
    first.width = sizes_.width;
    first.page_positions = kPagePositions;
    TiledProductBuffers buffers{in, layer.heads};
    buffers.norm_weight = gain_;
    buffers.cosines = cosines_;
    buffers.sines = sines_;
    buffers.slots = own_slots_;
    buffers.pages_of_keys = layer.keys;
    buffers.pages_of_values = layer.values;
    buffers.queries = queries_;
    EXPECT_EQ(multiply_tiles(first, buffers, nullptr, true), 0);
    attend_to(layer);
    buffers = {seen_, layer.out, h_};
    buffers.residual = in;
    EXPECT_EQ(multiply_tiles(problem, buffers, nullptr, true), 0);
    open.norm = TiledProductProblem::Norm::rms;
    open.finish = Finish::gated;
    open.outputs = sizes_.inner;
    buffers = {h_, layer.inner, gated_};
    buffers.norm_weight = gain_;
    EXPECT_EQ(multiply_tiles(open, buffers, nullptr, true), 0);
    close.inputs = sizes_.inner;
    buffers = {gated_, layer.down, out};
    buffers.residual = h_;
    EXPECT_EQ(multiply_tiles(close, buffers, nullptr, true), 0);
  }

  void attend_to(const Layer& layer) {
    const PagedAttentionBuffers buffers{.queries = queries_,
                                        .pages_of_keys = layer.keys,
                                        .pages_of_values = layer.values,
                                        .lengths = lengths_,
                                        .shared_slots = shared_slots_,
                                        .shared_lengths = nullptr,
                                        .tail_slots = own_slots_,
                                        .bias = nullptr,
                                        .out = seen_,
                                        .workspace = workspace_,
                                        .counters = counters_};
    EXPECT_EQ(attend_pages(pages_, buffers, nullptr, true), 0);
  }

  Sizes sizes_;
  Memory memory_;
  PagedAttentionProblem pages_;
  std::vector<Layer> layers_;
  dev::Half *x_, *gain_;
  float *cosines_, *sines_, *workspace_;
  std::int32_t *shared_slots_, *own_slots_, *lengths_;
  unsigned* counters_;
  std::byte *queries_, *seen_, *h_, *y_, *gated_;
};

void expect_chain(const Sizes& sizes) {
  SCOPED_TRACE(testing::PrintToString(sizes));
  const Bytes once = Chain(sizes, Place::mapped).run(1);
  expect_same_bits(once, Chain(sizes, Place::device).run(300));
}

TEST(RepeatedRunsTest, LayersOfADecoderInTheCacheHaveTheSameBits) {
  for (const bool bulk : emulator::with_and_without_bulk_copies()) {
    for (const Weights& weights : kWeights) {
      for (const std::int32_t rows : {1, 5}) {
        expect_chain({weights, bulk, rows, 8, 64, 1408, 2});
      }
    }
  }
}

TEST(RepeatedRunsTest, LayersOfADecoderBesideTheCacheHaveTheSameBits) {
  for (const bool bulk : emulator::with_and_without_bulk_copies()) {
    for (const std::int32_t rows : {1, 5}) {
      expect_chain({{Format::f16}, bulk, rows, 20, 128, 6912, 1});
      expect_chain({{Format::f16, Layout::rows}, bulk, rows, 20, 128, 6912, 1});
    }
    expect_chain({{Format::w8}, bulk, 5, 32, 128, 11008, 1});
    expect_chain({{Format::w4}, bulk, 5, 40, 128, 13824, 1});
  }
}

}  // namespace
}  // namespace instructblip::kernels::cuda
