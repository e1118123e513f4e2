// How long kernels take at the sizes of published models: a table, for whoever makes them faster.
// Disabled: it proves nothing.
//
//   cuda_kernels_test --gtest_also_run_disabled_tests --gtest_filter='*Times*'
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "cuda/device_data.h"
#include "cuda/device_time.h"
#include "emulator/half_numbers.h"
#include "emulator/running.h"
#include "kernels/cuda/attention.h"
#include "kernels/cuda/grouped_product.h"
#include "kernels/cuda/paged_attention.h"
#include "kernels/cuda/qformer_layer.h"
#include "kernels/cuda/rows.h"
#include "kernels/cuda/skinny.h"
#include "kernels/cuda/tiled_product.h"

namespace instructblip::kernels::cuda {
namespace {

void report(const std::string& what, double microseconds, double bytes = 0.0) {
  static const double copied = test::copied_bytes_per_second();
  std::printf("%-58s %8.1f us", what.c_str(), microseconds);
  if (bytes > 0.0) std::printf("  %5.1f %%", 100.0 * bytes / (microseconds * 1e-6) / copied);
  std::printf("\n");
  std::fflush(stdout);
}

// Products whose weights come from memory: there are so many that the cache holds none of them.
struct Matrices {
  Memory memory{Place::device};
  std::vector<const std::byte*> weights;
  const dev::Half *x, *gain;
  std::byte* y;

  Matrices(const Weights& kind, std::int32_t inputs, std::int32_t outputs) {
    const Bytes one = random_tiles(kind.format, inputs, outputs / kRowsOfTile);
    const std::size_t count = std::size_t{300'000'000} / one.size() + 2;
    for (std::size_t i = 0; i < count; ++i) weights.push_back(memory.put(one));
    x = memory.put(emulator::half_numbers<dev::Half>(std::int64_t{32} * inputs, 1));
    gain = memory.put(std::vector<dev::Half>(static_cast<std::size_t>(inputs), {0x3c00}));
    y = memory.blank(static_cast<std::size_t>(outputs) * 32 * 4);
  }
};

void time_products(const Weights& kind, std::int32_t inputs, std::int32_t outputs) {
  Matrices m(kind, inputs, outputs);
  const auto calls = static_cast<int>(m.weights.size());
  const double bytes = static_cast<double>(bytes_of_tile(kind.format, inputs)) * outputs / 16;
  const std::string size = std::to_string(outputs) + " x " + std::to_string(inputs) + ", format " +
                           std::to_string(static_cast<int>(kind.format)) +
                           (kind.layout == Layout::rows ? " rows" : "");
  for (const std::int32_t rows : {1, 5, 8, 16}) {
    for (const int way : {0, 1, 2, 3}) {  // ring, bulk, bulk with a norm, skinny
      if (rows == 16 && way != 1) continue;
      if (way == 3 && kind.layout == Layout::tiles) continue;
      TiledProductProblem problem;
      problem.weights = kind.format;
      problem.layout = kind.layout;
      problem.rows = rows;
      problem.inputs = inputs;
      problem.outputs = outputs;
      problem.bulk_copies = way != 0;
      if (way == 2) problem.norm = TiledProductProblem::Norm::rms;
      TiledProductBuffers buffers{m.x, nullptr, m.y};
      buffers.norm_weight = m.gain;
      if (tiled_product_refuses(problem, buffers) != nullptr) continue;
      const double time = test::microseconds_of(
          [&](int call) {
            buffers.tiles = m.weights[static_cast<std::size_t>(call)];
            if (way == 3) {
              EXPECT_EQ(multiply_skinny({.rows = rows, .inputs = inputs, .outputs = outputs},
                                        {m.x, buffers.tiles, nullptr, nullptr, m.y}, nullptr, true),
                        0);
            } else {
              EXPECT_EQ(multiply_tiles(problem, buffers, nullptr, true), 0);
            }
          },
          calls);
      constexpr const char* kWays[] = {" ring", " bulk", " bulk, norm", " skinny"};
      report(size + ", rows " + std::to_string(rows) + kWays[way], time, bytes);
    }
  }
}

TEST(TimesTest, DISABLED_Products) {
  constexpr std::int32_t kSizes[][2] = {{4096, 12288}, {4096, 22016}, {11008, 4096}, {4096, 4096},
                                        {4096, 32000}, {2048, 6144},  {2048, 10240}, {5120, 2048},
                                        {2048, 2048},  {2048, 32128}};
  for (const auto& size : kSizes) {
    for (const Weights& kind : kWeights) time_products(kind, size[0], size[1]);
  }
}

struct Shape {
  const char* name;
  std::int32_t heads, queries, keys, width;
  bool causal;
  std::int32_t max_distance;
};

void time_attention(const Shape& s, std::int32_t sequences) {
  Memory memory(Place::device);
  const std::int64_t pitch = std::int64_t{s.heads} * s.width;
  const dev::Half* q =
      memory.put(emulator::half_numbers<dev::Half>(sequences * s.queries * pitch, 1));
  const dev::Half* k = memory.put(emulator::half_numbers<dev::Half>(sequences * s.keys * pitch, 2));
  const dev::Half* v = memory.put(emulator::half_numbers<dev::Half>(sequences * s.keys * pitch, 3));
  std::byte* out = memory.blank(static_cast<std::size_t>(sequences * s.queries * pitch) * 2);
  std::vector<std::int32_t> query_offsets, key_offsets;
  for (std::int32_t i = 0; i <= sequences; ++i) {
    query_offsets.push_back(i * s.queries);
    key_offsets.push_back(i * s.keys);
  }
  const AttentionProblem problem{.sequences = sequences,
                                 .max_queries = s.queries,
                                 .query_heads = s.heads,
                                 .key_heads = s.heads,
                                 .width = s.width,
                                 .divisor = std::sqrt(static_cast<float>(s.width)),
                                 .causal = s.causal,
                                 .max_distance = s.max_distance};
  const std::int32_t* query_ends = memory.put(query_offsets);
  const std::int32_t* key_ends = memory.put(key_offsets);
  const float* bias = nullptr;
  if (s.max_distance > 0) {
    bias = memory.put(
        std::vector<float>(static_cast<std::size_t>(s.heads * (2 * s.max_distance + 1))));
  }
  const double time = test::microseconds_of(
      [&](int) {
        EXPECT_EQ(
            attend(problem, {q, k, v, pitch, pitch, pitch, pitch, query_ends, key_ends, bias, out},
                   nullptr, true),
            0);
      },
      50);
  report(std::string(s.name) + ", batch " + std::to_string(sequences), time);
}

TEST(TimesTest, DISABLED_Attention) {
  constexpr Shape kShapes[] = {{"ViT 16 x 257 x 88", 16, 257, 257, 88, false, 0},
                               {"Q-Former self 12 x 48 x 64", 12, 48, 48, 64, false, 0},
                               {"Q-Former cross 12 x 32/257 x 64", 12, 32, 257, 64, false, 0},
                               {"T5 32 x 64 x 64, bias", 32, 64, 64, 64, false, 127},
                               {"LLaMA 32 x 72 x 128, causal", 32, 72, 72, 128, true, 0}};
  for (const Shape& shape : kShapes) {
    for (const std::int32_t sequences : {1, 8, 64}) time_attention(shape, sequences);
  }
}

struct Pages {
  std::int32_t requests, rows, shared, tail, heads, width;
};

void time_pages(const Pages& s) {
  constexpr std::int32_t kPagePositions = 64;
  Memory memory(Place::device);
  const std::int32_t rows = s.requests * s.rows;
  const std::int32_t slots = s.requests * s.shared + rows * s.tail;
  std::vector<void*> key_pages, value_pages;
  const auto page =
      emulator::half_numbers<dev::Half>(std::int64_t{s.heads} * kPagePositions * s.width, 1);
  for (std::int32_t i = 0; i * kPagePositions < slots; ++i) {
    key_pages.push_back(memory.put(page));
    value_pages.push_back(memory.put(page));
  }
  std::vector<std::int32_t> shared, tail, lengths;
  for (std::int32_t i = 0; i < slots; ++i) (i < s.requests * s.shared ? shared : tail).push_back(i);
  for (std::int32_t i = 0; i < s.requests; ++i) {
    lengths.push_back(s.shared);
    lengths.push_back(s.tail);
  }
  const PagedAttentionProblem problem{.requests = s.requests,
                                      .rows = s.rows,
                                      .query_heads = s.heads,
                                      .key_heads = s.heads,
                                      .width = s.width,
                                      .max_shared = s.shared,
                                      .max_tail = s.tail,
                                      .page_positions = kPagePositions,
                                      .divisor = 8.0f};
  const std::int64_t count = std::int64_t{rows} * s.heads * s.width;
  PagedAttentionBuffers buffers{
      .queries = memory.put(emulator::half_numbers<dev::Half>(count, 2)),
      .pages_of_keys = memory.put(key_pages),
      .pages_of_values = memory.put(value_pages),
      .lengths = memory.put(lengths),
      .shared_slots = shared.empty() ? nullptr : memory.put(shared),
      .shared_lengths = nullptr,
      .tail_slots = tail.empty() ? nullptr : memory.put(tail),
      .bias = nullptr,
      .out = memory.blank(static_cast<std::size_t>(count) * 2),
      .workspace = memory.put(std::vector<float>(paged_attention_workspace(problem))),
      .counters =
          memory.put(std::vector<unsigned>(static_cast<std::size_t>(s.requests * s.heads)))};
  const double time = test::microseconds_of(
      [&](int) { EXPECT_EQ(attend_pages(problem, buffers, nullptr, true), 0); }, 50);
  report("pages " + std::to_string(s.heads) + " x " + std::to_string(s.width) + ", requests " +
             std::to_string(s.requests) + ", rows " + std::to_string(s.rows) + ", keys " +
             std::to_string(s.shared) + " + " + std::to_string(s.tail),
         time);
}

TEST(TimesTest, DISABLED_PagedAttention) {
  for (const std::int32_t requests : {1, 8, 64}) {
    time_pages({requests, 1, 150, 0, 32, 128});
    time_pages({requests, 1, 100, 50, 32, 128});
    time_pages({requests, 5, 0, 150, 32, 128});
    time_pages({requests, 5, 150, 0, 32, 128});
    time_pages({requests, 5, 140, 10, 32, 128});
    time_pages({requests, 5, 0, 24, 32, 64});  // T5-XL's decoder
    time_pages({requests, 5, 64, 0, 32, 64});  // its cross-attention
  }
}

// Products of a Q-Former of InstructBLIP and a layer of it: 32 queries and 16 rows of text.
class QFormer {
 public:
  explicit QFormer(std::int32_t pictures) : pictures_(pictures) {
    for (std::int32_t i = 0; i <= pictures; ++i) {
      offsets_.push_back(i * (kQueries + kText));
      query_offsets_.push_back(i * kQueries);
      image_offsets_.push_back(i * kPositions);
      if (i == pictures) break;
      for (std::int32_t r = 0; r < kQueries + kText; ++r) {
        (r < kQueries ? query_rows_ : text_rows_).push_back(offsets_.back() + r);
      }
    }
  }

  double layer(bool looks) {
    const QFormerLayerProblem problem{.pictures = pictures_,
                                      .queries = kQueries,
                                      .text = pictures_ * kText,
                                      .max_rows = kQueries + kText,
                                      .heads = 12,
                                      .width = 64,
                                      .inner = 4 * kHidden,
                                      .eps = 1e-12f,
                                      .looks = looks};
    const NormWeights norm{numbers(kHidden), numbers(kHidden)};
    const auto linear = [&](std::int64_t inputs, std::int64_t outputs) {
      return LinearWeights{numbers(inputs * outputs), numbers(outputs)};
    };
    const std::int64_t inner = 4 * kHidden;
    const QFormerLayerWeights weights{norm,
                                      norm,
                                      linear(kHidden, 3 * kHidden),
                                      linear(kHidden, kHidden),
                                      norm,
                                      linear(kHidden, kHidden),
                                      linear(kHidden, kHidden),
                                      norm,
                                      linear(kHidden, inner),
                                      linear(inner, kHidden),
                                      linear(kHidden, inner),
                                      linear(inner, kHidden)};
    const dev::Half* image = numbers(std::int64_t{pictures_} * kPositions * 2 * kHidden);
    const QFormerLayerBuffers buffers{
        .queries = memory_.blank(static_cast<std::size_t>(pictures_ * kQueries * kHidden) * 2),
        .text = memory_.blank(static_cast<std::size_t>(pictures_ * kText * kHidden) * 2),
        .query_rows = memory_.put(query_rows_),
        .text_rows = memory_.put(text_rows_),
        .offsets = memory_.put(offsets_),
        .query_offsets = memory_.put(query_offsets_),
        .image_offsets = memory_.put(image_offsets_),
        .image_keys = image,
        .image_values = image + kHidden,
        .image_pitch = 2 * kHidden,
        .workspace = memory_.blank(qformer_layer_workspace(problem))};
    return test::microseconds_of(
        [&](int) { EXPECT_EQ(run_qformer_layer(problem, weights, buffers, nullptr, true), 0); },
        12);
  }

  double product(std::int32_t inputs, std::int32_t outputs, bool normalises) {
    const GroupedProductProblem problem{
        .inputs = inputs, .outputs = outputs, .normalises = normalises, .eps = 1e-12f};
    ProductGroup groups[2];
    for (int g = 0; g < 2; ++g) {
      groups[g].rows = pictures_ * (g == 0 ? kQueries : kText);
      groups[g].x = numbers(std::int64_t{groups[g].rows} * inputs);
      groups[g].weights = numbers(std::int64_t{inputs} * outputs);
      groups[g].y = memory_.blank(static_cast<std::size_t>(groups[g].rows * outputs) * 2);
      groups[g].norm_weight = groups[g].norm_bias = numbers(inputs);
    }
    return test::microseconds_of(
        [&](int) { EXPECT_EQ(multiply_groups(problem, groups[0], groups[1], nullptr, true), 0); },
        20);
  }

 private:
  static constexpr std::int32_t kQueries = 32, kText = 16, kPositions = 257, kHidden = 768;

  const dev::Half* numbers(std::int64_t count) {
    return memory_.put(emulator::half_numbers<dev::Half>(count, 1));
  }

  std::int32_t pictures_;
  std::vector<std::int32_t> query_rows_, text_rows_, offsets_, query_offsets_, image_offsets_;
  Memory memory_{Place::device};
};

TEST(TimesTest, DISABLED_QFormer) {
  for (const std::int32_t pictures : {1, 8}) {
    QFormer qformer(pictures);
    const std::string of = ", pictures " + std::to_string(pictures);
    report("Q-Former layer that looks" + of, qformer.layer(true));
    report("Q-Former layer that does not" + of, qformer.layer(false));
    report("grouped 768 -> 2304, norm" + of, qformer.product(768, 2304, true));
    report("grouped 768 -> 768, norm" + of, qformer.product(768, 768, true));
    report("grouped 768 -> 3072, norm" + of, qformer.product(768, 3072, true));
    report("grouped 3072 -> 768" + of, qformer.product(3072, 768, false));
  }
}

TEST(TimesTest, DISABLED_Norms) {
  for (const std::int32_t width : {1408, 2048, 4096}) {
    for (const std::int32_t rows : {1, 5, 72, 257}) {
      Memory memory(Place::device);
      const std::int64_t count = std::int64_t{rows} * width;
      const dev::Half* x = memory.put(emulator::half_numbers<dev::Half>(count, 1));
      const dev::Half* weight = memory.put(emulator::half_numbers<dev::Half>(width, 2));
      std::byte* y = memory.blank(static_cast<std::size_t>(count) * 2);
      const NormProblem problem{Element::f16, rows, width, 1e-5f, true};
      report("LayerNorm " + std::to_string(rows) + " x " + std::to_string(width),
             test::microseconds_of(
                 [&](int) {
                   EXPECT_EQ(
                       normalize(problem, {x, nullptr, nullptr, weight, weight, y}, nullptr, true),
                       0);
                 },
                 50));
    }
  }
}

}  // namespace
}  // namespace instructblip::kernels::cuda
