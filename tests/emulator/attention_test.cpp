#include "kernels/cuda/attention.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "emulator/attention_error.h"
#include "emulator/half_numbers.h"
#include "emulator/running.h"
#include "kernels/cuda/shared_bytes.h"
#include "support/operations.h"

namespace instructblip::kernels::cuda {
namespace {

using emulator::half_numbers;
using emulator::kUntouched;

struct Sizes {
  std::vector<std::int32_t> queries, keys;  // one for each sequence
  std::int32_t query_heads, key_heads, width;
  bool causal;
  std::int32_t max_distance;  // -1: no bias
};

void PrintTo(const Sizes& s, std::ostream* out) {
  *out << s.query_heads << "/" << s.key_heads << " x " << s.width << (s.causal ? " causal" : "")
       << (s.max_distance < 0 ? "" : " biased") << ", queries/keys";
  for (std::size_t i = 0; i < s.queries.size(); ++i)
    *out << " " << s.queries[i] << "/" << s.keys[i];
}

std::vector<std::int32_t> offsets(const std::vector<std::int32_t>& lengths) {
  std::vector<std::int32_t> all = {0};
  for (const std::int32_t length : lengths) all.push_back(all.back() + length);
  return all;
}

template <class T>
struct Data {
  Sizes sizes;
  std::vector<std::int32_t> query_offsets, key_offsets;
  std::int64_t query_pitch, key_pitch;
  std::vector<T> queries, keys, values, out;
  std::vector<float> bias;
  AttentionProblem problem;

  explicit Data(const Sizes& s)
      : sizes(s),
        query_offsets(offsets(s.queries)),
        key_offsets(offsets(s.keys)),
        query_pitch(s.query_heads * s.width + 8),
        key_pitch(s.key_heads * s.width + 16) {
    queries = half_numbers<T>(query_offsets.back() * query_pitch, 1);
    keys = half_numbers<T>(key_offsets.back() * key_pitch, 2);
    values = half_numbers<T>(key_offsets.back() * key_pitch, 3);
    out.assign(queries.size(), T{kUntouched});
    if (s.max_distance >= 0) bias = numbers(s.query_heads * (2 * s.max_distance + 1), 4);
    problem = {.element = std::is_same_v<T, dev::Half> ? Element::f16 : Element::bf16,
               .sequences = static_cast<std::int32_t>(s.queries.size()),
               .max_queries = *std::ranges::max_element(s.queries),
               .query_heads = s.query_heads,
               .key_heads = s.key_heads,
               .width = s.width,
               .divisor = s.max_distance >= 0 ? 1.0f : std::sqrt(static_cast<float>(s.width)),
               .causal = s.causal,
               .max_distance = std::max(s.max_distance, 0)};
  }

  AttentionBuffers buffers() {
    return {queries.data(),     keys.data(),
            values.data(),      query_pitch,
            key_pitch,          key_pitch,
            query_pitch,        query_offsets.data(),
            key_offsets.data(), bias.empty() ? nullptr : bias.data(),
            out.data()};
  }
};

// What query `row` of sequence `s` sees, widened.
template <class T>
struct Query {
  std::vector<float> query;
  std::vector<std::vector<float>> keys, values;
  test::AttentionInput seen;

  Query(const Data<T>& d, std::size_t s, std::int32_t row, std::int32_t head) {
    const Sizes& z = d.sizes;
    const auto head_of = [&](const std::vector<T>& all, std::int64_t pitch, std::int64_t at,
                             std::int32_t h) {
      std::vector<float> wide;
      for (std::int32_t i = 0; i < z.width; ++i) {
        wide.push_back(dev::widen(all[static_cast<std::size_t>(at * pitch + h * z.width + i)]));
      }
      return wide;
    };
    const std::int32_t key_head = head / (z.query_heads / z.key_heads);
    const std::int32_t place = row + z.keys[s] - z.queries[s];
    query = head_of(d.queries, d.query_pitch, d.query_offsets[s] + row, head);
    for (std::int32_t j = 0; j < z.keys[s] && (!z.causal || j <= place); ++j) {
      keys.push_back(head_of(d.keys, d.key_pitch, d.key_offsets[s] + j, key_head));
      values.push_back(head_of(d.values, d.key_pitch, d.key_offsets[s] + j, key_head));
      if (d.bias.empty()) continue;
      const std::int32_t distance = std::clamp(j - place, -z.max_distance, z.max_distance);
      seen.bias.push_back(d.bias[static_cast<std::size_t>(head * (2 * z.max_distance + 1) +
                                                          distance + z.max_distance)]);
    }
    seen.query = query;
    for (const auto& key : keys) seen.keys.push_back(key.data());
    for (const auto& value : values) seen.values.push_back(value.data());
    seen.divisor = d.problem.divisor;
  }
};

template <class T>
void expect_right(const Sizes& sizes) {
  Data<T> d(sizes);
  ASSERT_EQ(attention_refuses(d.problem, d.buffers()), nullptr);
  const auto run = [&] {
    emulator::run_in_every_order(
        d.out, [&] { EXPECT_EQ(attend(d.problem, d.buffers(), nullptr, true), 0); });
  };
  run();
  // In larger parts, where a row has the same bits.
  const std::vector<T> small = std::exchange(d.out, std::vector<T>(d.out.size(), T{kUntouched}));
  d.problem.processors = 1;
  run();
  ASSERT_EQ(std::memcmp(small.data(), d.out.data(), small.size() * sizeof(T)), 0);
  for (std::size_t s = 0; s < sizes.queries.size(); ++s) {
    for (std::int32_t row = 0; row < sizes.queries[s]; ++row) {
      const auto at = static_cast<std::size_t>((d.query_offsets[s] + row) * d.query_pitch);
      for (std::int32_t head = 0; head < sizes.query_heads; ++head) {
        const Query<T> query(d, s, row, head);
        std::vector<double> want(static_cast<std::size_t>(sizes.width)), bound = want;
        if (!query.keys.empty()) {
          want = test::attention(query.seen);
          bound = emulator::attention_error<T>(query.seen, want);
        }
        for (std::size_t i = 0; i < want.size(); ++i) {
          ASSERT_NEAR(dev::widen(d.out[at + static_cast<std::size_t>(head * sizes.width) + i]),
                      want[i], bound[i])
              << testing::PrintToString(sizes) << ": sequence " << s << ", row " << row << ", head "
              << head << ", " << i;
        }
      }
      for (auto i = sizes.query_heads * sizes.width; i < d.query_pitch; ++i) {
        ASSERT_EQ(d.out[at + static_cast<std::size_t>(i)].bits, kUntouched);
      }
    }
  }
}

class CudaAttentionTest : public testing::TestWithParam<Sizes> {};

TEST_P(CudaAttentionTest, AgreesWithDoublePrecision) {
  expect_right<dev::Half>(GetParam());
  expect_right<dev::Bfloat>(GetParam());
}

INSTANTIATE_TEST_SUITE_P(
    Sizes, CudaAttentionTest,
    testing::Values(Sizes{{1}, {1}, 1, 1, 8, false, -1},             //
                    Sizes{{70}, {70}, 2, 2, 88, false, -1},          // ViT-g
                    Sizes{{39, 3}, {39, 3}, 2, 2, 64, false, -1},    // Q-Former
                    Sizes{{32, 32}, {65, 17}, 1, 1, 64, false, -1},  // its cross-attention
                    Sizes{{66, 9}, {66, 9}, 2, 2, 64, false, 20},    // T5's encoder
                    Sizes{{7, 65}, {7, 65}, 2, 2, 80, true, -1},     // OPT
                    Sizes{{67, 1}, {130, 64}, 2, 1, 128, true, -1},  // LLaMA, behind a cache
                    Sizes{{5}, {0}, 1, 1, 16, false, -1},            // nothing to see
                    Sizes{{9}, {140}, 1, 1, 128, false, 3},          //
                    Sizes{{129, 70}, {129, 70}, 1, 1, 88, false, -1},
                    Sizes{{145}, {150}, 1, 1, 128, true, -1},
                    Sizes{{100}, {100}, 1, 1, 64, false, 20}));

TEST(CudaAttentionTest, ReadsMatricesWithoutBankConflicts) {
  for (const std::int32_t width : {64, 80, 88, 128}) {
    Data<dev::Half> d({{65}, {64}, 1, 1, width, false, -1});
    for (const std::int32_t processors : {132, 1}) {
      d.problem.processors = processors;
      EXPECT_EQ(attend(d.problem, d.buffers(), nullptr, false), 0);
      EXPECT_EQ(emulator::run_queue({}).bank_conflicts, 0) << width;
    }
  }
}

// By which a table tells whether a device has so much.
TEST(CudaAttentionTest, TakesNoMoreSharedMemoryThanIsSaid) {
  for (const std::int32_t width : {16, 64, 80, 88, 96, 104, 128}) {
    for (const std::int32_t distance : {-1, 20}) {
      Data<dev::Half> d({{65}, {64}, 1, 1, width, false, distance});
      d.problem.processors = 0;  // blocks as large as they get
      EXPECT_EQ(attend(d.problem, d.buffers(), nullptr, false), 0);
      const auto taken = static_cast<std::int64_t>(emulator::run_queue({}).shared_bytes);
      EXPECT_LE(taken, attention_shared_bytes(d.problem)) << width;
    }
  }
}

TEST(CudaAttentionTest, RefusesWhatItCannotDo) {
  Data<dev::Half> d({{4}, {4}, 2, 2, 12, false, -1});
  EXPECT_STREQ(attention_refuses(d.problem, d.buffers()), "heads are 8 to 128 wide, in steps of 8");
  d.problem.width = 16;
  d.problem.key_heads = 3;
  EXPECT_STREQ(attention_refuses(d.problem, d.buffers()),
               "query heads are a multiple of key heads");
  d.problem.key_heads = 2;
  d.query_pitch = 33;
  EXPECT_STREQ(attention_refuses(d.problem, d.buffers()), "rows begin at multiples of 16 bytes");
}

}  // namespace
}  // namespace instructblip::kernels::cuda
