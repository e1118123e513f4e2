// Attention as the stages compute it with ATen, against plain loops in double precision.
#include "kernels/attention_bound.h"
#include "kernels/composition.h"
#include "nn/attention.h"
#include "nn/relative_bias.h"
#include "support/operations.h"

namespace instructblip::kernels {
namespace {

struct Case {
  nn::Numerics numerics;
  nn::AttentionOrder order;
};

void PrintTo(const Case& c, std::ostream* out) {
  *out << (c.order == nn::AttentionOrder::fused ? "fused" : "composed")
       << (c.numerics == nn::Numerics::deterministic ? ", deterministic" : "");
}

class AttentionComposition : public testing::TestWithParam<Case> {
 protected:
  // torch's pass over blocks of keys takes an exp of 20 units, and multiplies what it has so far
  // whenever a block brings a larger score.
  static constexpr AttentionRoundings kFused = {.exp_units = 20.0, .rounds = 8};

  // Sequences of `rows` queries and `keys` keys, [.., heads, width].
  void check(std::int64_t rows, std::int64_t keys, std::int64_t width, bool causal, bool biased) {
    constexpr std::int64_t kHeads = 4, kKeyHeads = 2;
    const std::vector<float> q = numbers(rows * kHeads * width, 1);
    const std::vector<float> k = numbers(keys * kKeyHeads * width, 2);
    const std::vector<float> v = numbers(keys * kKeyHeads * width, 3);
    const std::vector<float> bias = numbers(kHeads * rows * keys, 4);
    const nn::Heads heads = {tensor(q, {rows, kHeads, width}), tensor(k, {keys, kKeyHeads, width}),
                             tensor(v, {keys, kKeyHeads, width})};
    const double divisor = std::sqrt(static_cast<double>(width));
    const nn::AttentionOptions options{
        .runtime = &runtime_, .order = GetParam().order, .divisor = divisor, .causal = causal};
    at::Tensor got;
    if (rows == keys) {
      const std::vector<nn::Part> parts = {{0, rows}};
      const std::vector<at::Tensor> biases = {tensor(bias, {kHeads, rows, keys})};
      nn::Rows packed{parts};
      const nn::RowBiases of_parts(biases);
      if (biased) packed.biases = &of_parts;
      got = nn::attend(heads, packed, 0, options);
    } else {
      got = nn::attend(
          {heads.queries.unsqueeze(0), heads.keys.unsqueeze(0), heads.values.unsqueeze(0)},
          options)[0];
    }
    const std::span<const float> values = values_of(got);
    for (std::int64_t i = 0; i < rows * kHeads; ++i) {
      const std::int64_t row = i / kHeads, head = i % kHeads;
      test::AttentionInput seen{std::span(q).subspan(static_cast<std::size_t>(i * width),
                                                     static_cast<std::size_t>(width)),
                                {},
                                {},
                                {},
                                divisor};
      for (std::int64_t j = 0; j < (causal ? row + 1 : keys); ++j) {
        const std::int64_t at = (j * kKeyHeads + head / (kHeads / kKeyHeads)) * width;
        seen.keys.push_back(k.data() + at);
        seen.values.push_back(v.data() + at);
        if (biased) {
          seen.bias.push_back(bias[static_cast<std::size_t>((head * rows + row) * keys + j)]);
        }
      }
      const bool fused = GetParam().order == nn::AttentionOrder::fused;
      expect_near(
          values.subspan(static_cast<std::size_t>(i * width), static_cast<std::size_t>(width)),
          test::attention(seen), attention_bound(seen, fused ? kFused : AttentionRoundings{}));
    }
  }

  const nn::Runtime runtime_{1, GetParam().numerics};
};

TEST_P(AttentionComposition, OfWholeSequences) {
  for (const std::int64_t width : {1, 2, 7, 15, 16, 17, 33, 64, 80, 88, 127}) {
    for (const std::int64_t keys : {1, 2, 16, 17, 33, 65}) check(3, keys, width, false, false);
  }
  check(5, 257, 33, false, false);
}

TEST_P(AttentionComposition, Causal) {
  for (const std::int64_t rows : {1, 2, 3, 7, 15, 16, 17, 31, 33, 63, 64, 65}) {
    check(rows, rows, 17, true, false);
  }
  check(33, 33, 64, true, false);
}

TEST_P(AttentionComposition, WithABias) {
  for (const std::int64_t rows : {1, 2, 7, 16, 33, 65}) {
    check(rows, rows, 15, false, true);
    check(rows, rows, 16, true, true);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Orders, AttentionComposition,
    testing::Values(Case{nn::Numerics::reference, nn::AttentionOrder::fused},
                    Case{nn::Numerics::reference, nn::AttentionOrder::composed},
                    Case{nn::Numerics::deterministic, nn::AttentionOrder::composed}));

}  // namespace
}  // namespace instructblip::kernels
