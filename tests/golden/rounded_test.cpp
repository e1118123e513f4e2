// Whole models by the kernels that multiply BF16. The reference has no such numbers, so a
// processor's instructions are judged by the same sources in plain loops, and those by how far
// rounding leads from float32.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <tuple>
#include <vector>

#include "golden/golden_requests.h"
#include "kernels/packed_linear.h"

namespace instructblip {
namespace {

using namespace test;  // NOLINT: golden requests

struct Kernels {
  const char* processors;
  const char* plain;
};

class RoundedTest : public testing::TestWithParam<std::tuple<Kernels, const char*>> {
 protected:
  static Kernels pair() { return std::get<0>(GetParam()); }
  static std::string model() { return std::get<1>(GetParam()); }

  static bool has(const std::string& name) {
    const kernels::PackedLinearProblem problem{.rows = 1,
                                               .inputs = 32,
                                               .outputs = 32,
                                               .weights = kernels::Format::bf16,
                                               .may_round = true};
    const auto all = kernels::packed_linear_kernels();
    const auto found = std::ranges::find(all, name, &kernels::PackedLinearKernel::name);
    return found != all.end() && found->supports(problem, kernels::this_machine());
  }
  static Pipeline load(const std::string& kernel) {
    return Pipeline::load(kCheckpoints / model(), {.precision = Precision::bf16,
                                                   .numerics = Numerics::fast,
                                                   .kernels = "packed_linear=" + kernel});
  }
};

// NaN where a number is.
float farthest(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size()) return std::numeric_limits<float>::quiet_NaN();
  float most = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const float apart = std::abs(a[i] - b[i]);
    if (!(apart <= most)) most = apart;
    if (std::isnan(most)) break;
  }
  return most;
}

// The answers to a golden checkpoint's requests, greedy and of so many tokens.
std::vector<Sequence> greedy_answers(const Pipeline& pipeline, const std::string& name) {
  const GenerationConfig options{
      .max_new_tokens = 24, .min_new_tokens = 24, .num_beams = 1, .logprobs = true};
  std::vector<Sequence> answers;
  const Json golden = Json::read(kCheckpoints / name / "golden.json");
  for (const Json& request : golden.at("requests").elements()) {
    if (interpolates(request) || answers.size() == 3) continue;
    answers.push_back(
        pipeline.generate(images_of(request), request.at("instruction").string(), options)
            .sequences.front());
  }
  return answers;
}

// Sums are added up in another order, so that a number may be rounded to the other side now and
// then: much less than rounding itself does. Where two words are nearly as likely as each other
// that may decide, and what follows is another text.
TEST_P(RoundedTest, TheProcessorAnswersAsPlainLoopsDo) {
  if (!has(pair().processors)) GTEST_SKIP() << "this processor has no " << pair().processors;
  const Pipeline fast = load(pair().processors), plain = load(pair().plain);
  EXPECT_TRUE(fast.info().rounds_rows);
  const std::vector<float> got = logits_of(fast, model()), want = logits_of(plain, model());
  const float rounding = farthest(want, logits_of(load("portable"), model()));
  EXPECT_LE(farthest(got, want), 0.25f * rounding);
  const std::vector<Sequence> answers = greedy_answers(fast, model());
  const std::vector<Sequence> expected = greedy_answers(plain, model());
  ASSERT_EQ(answers.size(), expected.size());
  for (std::size_t i = 0; i < answers.size(); ++i) {
    for (std::size_t t = 0; t < expected[i].tokens.size(); ++t) {
      EXPECT_NEAR(answers[i].logprobs[t], expected[i].logprobs[t], rounding) << i << ", " << t;
      if (answers[i].tokens[t] != expected[i].tokens[t]) break;
    }
  }
}

// About as far as rounding the weights leads, which is 0.8 to 1.1 times as far in these models.
TEST_P(RoundedTest, PlainLoopsStayNearFloat32) {
  const std::vector<float> got = logits_of(load(pair().plain), model());
  const std::vector<float> want = logits_of(load("portable"), model());
  const Pipeline wide =
      Pipeline::load(kCheckpoints / model(), {.precision = Precision::f32,
                                              .numerics = Numerics::fast,
                                              .kernels = "packed_linear=portable"});
  EXPECT_GT(farthest(got, want), 0) << "nothing was rounded";
  EXPECT_LE(farthest(got, want), 2 * farthest(want, logits_of(wide, model())));
}

INSTANTIATE_TEST_SUITE_P(
    Models, RoundedTest,
    testing::Combine(testing::Values(Kernels{"bf16_avx512", "bf16_portable"},
                                     Kernels{"bf16_amx", "bf16_tiles_portable"}),
                     testing::Values("t5_2024", "vicuna_gqa", "blip2_opt", "llava_hub")),
    [](const auto& test) {
      return std::string(std::get<0>(test.param).processors) + "_" + std::get<1>(test.param);
    });

}  // namespace
}  // namespace instructblip
