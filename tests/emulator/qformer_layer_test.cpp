#include "kernels/cuda/qformer_layer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <span>
#include <type_traits>
#include <vector>

#include "emulator/half_numbers.h"
#include "emulator/running.h"
#include "support/operations.h"

namespace instructblip::kernels::cuda {
namespace {

using emulator::half_numbers;
using Rows = std::vector<std::vector<float>>;

constexpr std::int32_t kHeads = 3, kWidth = 16, kHidden = kHeads * kWidth, kInner = 104;
constexpr std::int32_t kPictures = 2, kQueries = 5, kPositions = 7;
constexpr float kEps = 1e-5f;

template <class T>
std::vector<T> scaled_numbers(std::int64_t count, float scale, std::uint32_t seed) {
  std::vector<float> values = numbers(count, seed);
  for (float& value : values) value *= scale;
  return emulator::narrowed<T>(values);
}

template <class T>
struct Linear {
  std::vector<T> weight, bias;
  Linear(std::int32_t outputs, std::int32_t inputs, std::uint32_t seed)
      : weight(scaled_numbers<T>(std::int64_t{outputs} * inputs,
                                 0.6f / std::sqrt(static_cast<float>(inputs)), seed)),
        bias(scaled_numbers<T>(outputs, 0.2f, seed + 1)) {}
  LinearWeights pointers() const { return {weight.data(), bias.data()}; }

  Rows operator()(const Rows& x) const {
    Rows y;
    for (const std::vector<float>& row : x) {
      y.emplace_back();
      for (std::size_t o = 0; o < bias.size(); ++o) {
        double sum = dev::widen(bias[o]);
        for (std::size_t k = 0; k < row.size(); ++k) {
          sum += double{row[k]} * dev::widen(weight[o * row.size() + k]);
        }
        y.back().push_back(static_cast<float>(sum));
      }
    }
    return y;
  }
};

template <class T>
struct Norm {
  std::vector<T> weight, bias;
  explicit Norm(std::uint32_t seed) : bias(scaled_numbers<T>(kHidden, 0.2f, seed + 1)) {
    for (const float value : numbers(kHidden, seed)) {
      weight.push_back(dev::narrow<T>(1.0f + 0.05f * value));
    }
  }
  NormWeights pointers() const { return {weight.data(), bias.data()}; }

  std::vector<float> operator()(const std::vector<float>& row) const {
    const std::vector<double> y =
        test::layer_norm(row, emulator::widened(weight), emulator::widened(bias), kEps);
    return {y.begin(), y.end()};
  }
  Rows operator()(const Rows& x) const {
    Rows y;
    for (const std::vector<float>& row : x) y.push_back((*this)(row));
    return y;
  }
};

Rows plus(const Rows& a, const Rows& b) {
  Rows sum = a;
  for (std::size_t r = 0; r < a.size(); ++r) {
    for (std::size_t i = 0; i < a[r].size(); ++i) sum[r][i] += b[r][i];
  }
  return sum;
}

std::vector<float> part_of(const std::vector<float>& row, std::int32_t first, std::int32_t count) {
  return {row.begin() + first, row.begin() + first + count};
}

// Rows [begin, end) of queries attend to rows of keys and values.
Rows attended(const Rows& queries, const Rows& keys, const Rows& values) {
  Rows out(queries.size());
  for (std::size_t r = 0; r < queries.size(); ++r) {
    for (std::int32_t h = 0; h < kHeads; ++h) {
      const std::vector<float> query = part_of(queries[r], h * kWidth, kWidth);
      test::AttentionInput seen;
      seen.query = query;
      seen.divisor = std::sqrt(double{kWidth});
      for (std::size_t k = 0; k < keys.size(); ++k) {
        seen.keys.push_back(keys[k].data() + h * kWidth);
        seen.values.push_back(values[k].data() + h * kWidth);
      }
      for (const double value : test::attention(seen)) {
        out[r].push_back(static_cast<float>(value));
      }
    }
  }
  return out;
}

template <class T>
struct Layer {
  Norm<T> query_input{1}, text_input{3}, self_norm{5}, cross_norm{7};
  Linear<T> heads{3 * kHidden, kHidden, 11}, self_output{kHidden, kHidden, 13};
  Linear<T> cross_query{kHidden, kHidden, 15}, cross_output{kHidden, kHidden, 17};
  Linear<T> query_expand{kInner, kHidden, 19}, query_contract{kHidden, kInner, 21};
  Linear<T> text_expand{kInner, kHidden, 23}, text_contract{kHidden, kInner, 25};
  std::vector<T> image = half_numbers<T>(std::int64_t{kPictures} * kPositions * 2 * kHidden, 31);

  QFormerLayerWeights pointers() const {
    return {query_input.pointers(),    text_input.pointers(),  heads.pointers(),
            self_output.pointers(),    self_norm.pointers(),   cross_query.pointers(),
            cross_output.pointers(),   cross_norm.pointers(),  query_expand.pointers(),
            query_contract.pointers(), text_expand.pointers(), text_contract.pointers()};
  }

  // One picture: rows between layers in and out.
  void reference_of(std::size_t picture, bool looks, Rows& queries, Rows& text) const {
    Rows x = query_input(queries);
    for (const auto& row : text_input(text)) x.push_back(row);
    Rows q, k, v;
    for (const auto& row : heads(x)) {
      q.push_back(part_of(row, 0, kHidden));
      k.push_back(part_of(row, kHidden, kHidden));
      v.push_back(part_of(row, 2 * kHidden, kHidden));
    }
    const Rows h = self_norm(plus(self_output(attended(q, k, v)), x));
    queries.assign(h.begin(), h.begin() + kQueries);
    text.assign(h.begin() + kQueries, h.end());
    if (looks) {
      Rows keys, values;
      const std::vector<float> wide = emulator::widened(image);
      for (std::size_t i = 0; i < kPositions; ++i) {
        const auto at = static_cast<std::int32_t>((picture * kPositions + i) * 2 * kHidden);
        keys.push_back(part_of(wide, at, kHidden));
        values.push_back(part_of(wide, at + kHidden, kHidden));
      }
      queries =
          cross_norm(plus(cross_output(attended(cross_query(queries), keys, values)), queries));
    }
    queries = fed(query_expand, query_contract, queries);
    text = fed(text_expand, text_contract, text);
  }

  static Rows fed(const Linear<T>& expand, const Linear<T>& contract, const Rows& x) {
    Rows inner = expand(x);
    for (auto& row : inner) {
      for (float& value : row) value = static_cast<float>(test::gelu(value));
    }
    return plus(contract(inner), x);
  }
};

template <class T>
void expect_layer(bool looks, const std::vector<std::int32_t>& texts, std::int64_t launches,
                  const std::vector<emulator::Schedule>& orders = {{}}) {
  const Layer<T> layer;
  std::vector<std::int32_t> query_rows, text_rows, offsets = {0}, query_offsets = {0},
                                                   image_offsets = {0};
  std::int32_t longest = 0;
  for (const std::int32_t text : texts) {
    for (std::int32_t i = 0; i < kQueries; ++i) query_rows.push_back(offsets.back() + i);
    for (std::int32_t i = 0; i < text; ++i) text_rows.push_back(offsets.back() + kQueries + i);
    offsets.push_back(offsets.back() + kQueries + text);
    query_offsets.push_back(query_offsets.back() + kQueries);
    image_offsets.push_back(image_offsets.back() + kPositions);
    longest = std::max(longest, kQueries + text);
  }
  const auto text = static_cast<std::int32_t>(text_rows.size());
  const std::size_t query_size = std::size_t{kPictures} * kQueries * kHidden;
  const std::vector<T> in =
      half_numbers<T>(std::int64_t{offsets.back()} * kHidden, 41);  // queries, then text
  QFormerLayerProblem problem{
      .element = std::is_same_v<T, dev::Half> ? Element::f16 : Element::bf16,
      .pictures = kPictures,
      .queries = kQueries,
      .text = text,
      .max_rows = longest,
      .heads = kHeads,
      .width = kWidth,
      .inner = kInner,
      .eps = kEps,
      .looks = looks};
  ASSERT_EQ(qformer_layer_refuses(problem), nullptr);
  std::vector<dev::Words4> workspace(qformer_layer_workspace(problem) / sizeof(dev::Words4));
  std::vector<T> out(in.size());
  const QFormerLayerBuffers buffers{.queries = out.data(),
                                    .text = out.data() + query_size,
                                    .query_rows = query_rows.data(),
                                    .text_rows = text_rows.data(),
                                    .offsets = offsets.data(),
                                    .query_offsets = query_offsets.data(),
                                    .image_offsets = image_offsets.data(),
                                    .image_keys = layer.image.data(),
                                    .image_values = layer.image.data() + kHidden,
                                    .image_pitch = 2 * kHidden,
                                    .workspace = workspace.data()};
  std::vector<T> first;
  for (const emulator::Schedule& schedule : orders) {
    out = in;
    std::memset(workspace.data(), 0xff, workspace.size() * sizeof(dev::Words4));  // NaN
    ASSERT_EQ(run_qformer_layer(problem, layer.pointers(), buffers, nullptr, true), 0);
    EXPECT_EQ(emulator::run_queue(schedule).launches, launches);
    if (first.empty()) first = out;
    ASSERT_EQ(std::memcmp(first.data(), out.data(), out.size() * sizeof(T)), 0);
  }
  const auto rows_of = [](const std::vector<T>& all, std::size_t at, std::int32_t count) {
    Rows rows;
    for (std::int32_t i = 0; i < count; ++i, at += kHidden) {
      rows.push_back(emulator::widened(
          std::vector<T>(all.begin() + static_cast<std::ptrdiff_t>(at),
                         all.begin() + static_cast<std::ptrdiff_t>(at) + kHidden)));
    }
    return rows;
  };
  // What roundings on the way make of numbers of a size of about 4.
  const double error = 4 * 4 * emulator::kRoundingOf<T>;
  std::size_t query_at = 0, text_at = query_size;
  for (std::size_t picture = 0; picture < kPictures; ++picture) {
    Rows want = rows_of(in, query_at, kQueries), want_text = rows_of(in, text_at, texts[picture]);
    layer.reference_of(picture, looks, want, want_text);
    Rows got = rows_of(out, query_at, kQueries), got_text = rows_of(out, text_at, texts[picture]);
    query_at += std::size_t{kQueries} * kHidden;
    text_at += static_cast<std::size_t>(texts[picture]) * kHidden;
    want.insert(want.end(), want_text.begin(), want_text.end());
    got.insert(got.end(), got_text.begin(), got_text.end());
    for (std::size_t r = 0; r < want.size(); ++r) {
      for (std::size_t i = 0; i < kHidden; ++i) {
        ASSERT_NEAR(got[r][i], want[r][i], error) << picture << ": " << r << ", " << i;
      }
    }
  }
}

TEST(QFormerLayerTest, TakesEightLaunchesWhereItLooksAndElseFive) {
  expect_layer<dev::Half>(true, {3, 0}, 8, emulator::schedules());
  expect_layer<dev::Bfloat>(true, {2, 6}, 8);
  expect_layer<dev::Half>(false, {1, 4}, 5);
  expect_layer<dev::Bfloat>(false, {0, 0}, 5);  // no text at all
}

TEST(QFormerLayerTest, RefusesWhatItCannotDo) {
  QFormerLayerProblem problem{.heads = 12, .width = 64, .inner = 3072};
  EXPECT_EQ(qformer_layer_refuses(problem), nullptr);
  problem.heads = 17;
  EXPECT_STREQ(qformer_layer_refuses(problem), "rows are at most 1024 wide");
  problem.width = 136;
  EXPECT_STREQ(qformer_layer_refuses(problem), "heads are 8 to 128 wide, in steps of 8");
  problem = {.heads = 12, .width = 64, .inner = 12};
  EXPECT_STREQ(qformer_layer_refuses(problem), "a feed-forward is as wide as a multiple of 8");
}

}  // namespace
}  // namespace instructblip::kernels::cuda
