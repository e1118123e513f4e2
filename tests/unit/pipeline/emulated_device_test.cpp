// Whole models in half precision by the kernels of a CUDA device, held against the processor's
// float32: the emulator runs them on the stand-in device, and a CUDA device does where there is
// one.
#include "unit/nn/emulated_device.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "loading/devices.h"
#include "pipeline/batch.h"
#include "pipeline/job.h"
#include "pipeline/prepare.h"
#include "pipeline/ranking.h"
#include "pipeline/tensors.h"
#include "support/cuda_device.h"
#include "unit/pipeline/models.h"

namespace instructblip {
namespace {

using test::picture;
using test::tokens;

using Ids = std::vector<std::int32_t>;
using Rows = std::map<std::string, std::vector<float>>;

constexpr double kLeastCosine = 0.999, kSlack = 1e-3, kAsGood = 1.5;

double cosine(const std::vector<float>& a, const std::vector<float>& b) {
  double ab = 0, aa = 0, bb = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    ab += double{a[i]} * b[i];
    aa += double{a[i]} * a[i];
    bb += double{b[i]} * b[i];
  }
  return ab / std::sqrt(aa * bb);
}

struct Seen {
  Rows stages;  // the last of each name
  Ids ids;
};

Seen answer_to(const ModelParts& model, const Request& request) {
  Seen seen;
  const auto job = prepare(model, request, {});
  job->on_stage = [&](const char* name, const at::Tensor& output) {
    if (!seen.stages.contains(name)) seen.stages[name] = to_named(name, output).values;
  };
  seen.ids = answer(model, job).tokens();
  return seen;
}

struct Case {
  std::string directory;  // below the source's
  at::ScalarType rows;
};

std::string name_of(const Case& test) {
  std::string name = std::filesystem::path(test.directory).filename();
  std::ranges::replace(name, '-', '_');
  return name + (test.rows == at::kHalf ? "_f16" : "_bf16");
}

std::unique_ptr<const ModelParts> load_on(std::unique_ptr<nn::Runtime> device, const Case& test) {
  const auto precision = test.rows == at::kHalf ? Precision::f16 : Precision::bf16;
  return test::load(test::kSource / test.directory, std::move(device), {.precision = precision});
}
std::unique_ptr<const ModelParts> load_emulated(const Case& test) {
  return load_on(std::make_unique<EmulatedRuntime>(test.rows), test);
}
// By LibTorch's operations in half precision.
std::unique_ptr<const ModelParts> load_composing(const Case& test) {
  return load_on(std::make_unique<StandInRuntime>(test.rows), test);
}

std::unique_ptr<const ModelParts> load_here(const Case& test) {
  return test::load(test::kSource / test.directory, std::make_unique<nn::Runtime>(), {});
}

Case golden(const std::string& name, at::ScalarType rows = at::kHalf) {
  return {"tests/golden/checkpoints/" + name, rows};
}

class EmulatedDevice : public testing::TestWithParam<Case> {
 protected:
  const std::unique_ptr<const ModelParts> there_ = load_emulated(GetParam());
};

void expect_stages_of_the_processor(const Case& test, const ModelParts& on_device) {
  const Request request{picture(), "What is this?", tokens(4)};
  const Seen here = answer_to(*load_here(test), request), there = answer_to(on_device, request);
  const Seen composed = answer_to(*load_composing(test), request);
  ASSERT_EQ(here.stages.size(), there.stages.size());
  for (const auto& [name, rows] : here.stages) {
    // Where weights are random, a network may amplify each rounding.
    const double least = std::min(kLeastCosine, cosine(rows, composed.stages.at(name)));
    EXPECT_GT(kAsGood * (1 - least) + kSlack, 1 - cosine(rows, there.stages.at(name)))
        << name << " " << least;
  }
}

// Candidates lead both along the same tokens, in steps of several rows.
void expect_scores_of_the_processor(const Case& test, const ModelParts& on_device) {
  const Image image = picture();
  const std::vector<std::string> candidates = {"a cat on a mat", "a cat", "the sea"};
  const auto ranked = [&](const ModelParts& model) {
    Ranking ranking(model, {image, "What is this?"}, candidates, {});
    while (const auto job = ranking.next({})) ranking.add(answer(model, job));
    std::vector<double> scores(candidates.size());
    for (const auto& score : ranking.result()) scores[score.index] = score.score;
    return scores;
  };
  const auto here = ranked(*load_here(test)), there = ranked(on_device),
             composed = ranked(*load_composing(test));
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const double rounding = std::abs(composed[i] - here[i]) + 0.02 * std::abs(here[i]);
    EXPECT_NEAR(there[i], here[i], rounding) << candidates[i];
  }
}

TEST_P(EmulatedDevice, StagesAreThoseOfTheProcessorButForRounding) {
  expect_stages_of_the_processor(GetParam(), *there_);
}
TEST_P(EmulatedDevice, CandidatesAreAsLikely) {
  expect_scores_of_the_processor(GetParam(), *there_);
}

class CudaDeviceInHalf : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    const DeviceChoice choice = test::automatic_device();
    if (!choice.cuda) GTEST_SKIP() << choice.why_not;
    const nn::Format rows = nn::format_of(GetParam().rows);
    there_ = load_on(make_cuda_runtime(*choice.cuda, 1, rows), GetParam());
  }

  std::unique_ptr<const ModelParts> there_;
};

TEST_P(CudaDeviceInHalf, StagesAreThoseOfTheProcessorButForRounding) {
  expect_stages_of_the_processor(GetParam(), *there_);
}
TEST_P(CudaDeviceInHalf, CandidatesAreAsLikely) {
  expect_scores_of_the_processor(GetParam(), *there_);
}
TEST_P(CudaDeviceInHalf, AnswersAreTheSameEachTime) {
  GenerationConfig beams = tokens(24);
  beams.num_beams = 3;
  const Request request{picture(), "What is this?", beams};
  const Ids first = answer_to(*there_, request).ids;
  for (int i = 0; i < 5; ++i) EXPECT_EQ(answer_to(*there_, request).ids, first);
}

std::vector<Case> families() {
  return {golden("t5_2024"),
          golden("vicuna_gqa"),
          golden("vicuna_dynamic"),
          golden("blip2_opt"),
          golden("blip2_opt", at::kBFloat16),
          golden("llava_next_hub"),
          {"models/tiny-t5", at::kBFloat16},
          {"models/tiny-vicuna", at::kBFloat16}};
}

INSTANTIATE_TEST_SUITE_P(Families, EmulatedDevice, testing::ValuesIn(families()),
                         [](const auto& test) { return name_of(test.param); });
INSTANTIATE_TEST_SUITE_P(Families, CudaDeviceInHalf, testing::ValuesIn(families()),
                         [](const auto& test) { return name_of(test.param); });

class EmbeddedModels : public testing::TestWithParam<Case> {};

// The kernels of a model's layers, and no step of it without them.
void expect_kernels(const std::map<std::string, std::int64_t, std::less<>>& before) {
  for (const auto& [operation, count] : launches_of_emulated_device()) {
    const auto found = before.find(operation);
    EXPECT_GT(count, found == before.end() ? 0 : found->second) << operation;
  }
  EXPECT_EQ(launches_of_emulated_device().size(), 10U);
}

TEST_P(EmbeddedModels, AnswerInHalfPrecisionAsInFull) {
  const auto before = launches_of_emulated_device();
  const auto here = load_here(GetParam()), there = load_emulated(GetParam());
  GenerationConfig greedy;
  greedy.max_new_tokens = 24;
  GenerationConfig beams = greedy;
  beams.num_beams = 3;
  const Image image = Image::open(test::kSource / "models/scene.png");
  for (const auto& [instruction, options] :
       std::vector<std::pair<std::string, GenerationConfig>>{{"A short image description:", greedy},
                                                             {"What color is the circle?", greedy},
                                                             {"Where is the blue ring?", beams}}) {
    const Request request{image, instruction, options};
    const Seen a = answer_to(*here, request), b = answer_to(*there, request);
    EXPECT_EQ(a.ids, b.ids) << instruction;
    // The same where nobody looks on, and logits stay on the device.
    EXPECT_EQ(answer(*there, prepare(*there, request, {})).tokens(), b.ids) << instruction;
    for (const auto& [name, rows] : a.stages) {
      EXPECT_GT(cosine(rows, b.stages.at(name)), kLeastCosine) << name;
    }
  }
  expect_kernels(before);
}

INSTANTIATE_TEST_SUITE_P(Models, EmbeddedModels,
                         testing::Values(Case{"models/tiny-t5", at::kHalf},
                                         Case{"models/tiny-vicuna", at::kHalf}),
                         [](const auto& test) { return name_of(test.param); });

// A layer of LLaMA: heads, attention, output, both halves of its feed-forward; of T5's decoder:
// heads, attention, output, queries, attention, output, both halves. Beside them words, the angles
// or the words of positions, and the head.
struct StepCase {
  Case model;
  int layers;
  std::map<std::string, int> of_layer, beside;  // kernels and ATen's operations
  int beams = 1;
};

class RecordedSteps : public testing::TestWithParam<StepCase> {};

void expect_launches(const StepCase& test) {
  std::map<std::string, int> expected = test.beside, seen;
  for (const auto& [name, count] : test.of_layer) expected[name] += count * test.layers;
  for (const std::string& name : launches_of_last_record()) ++seen[name];
  EXPECT_EQ(seen, expected);
}

TEST_P(RecordedSteps, LaunchNoMoreThanIsKnown) {
  const auto model = load_emulated(GetParam().model);
  GenerationConfig options = tokens(4);
  options.num_beams = GetParam().beams;
  answer_to(*model, {picture(), "What is this?", options});
  expect_launches(GetParam());
}

INSTANTIATE_TEST_SUITE_P(
    Families, RecordedSteps,
    testing::Values(
        StepCase{.model = Case{"models/tiny-vicuna", at::kHalf},
                 .layers = 5,
                 .of_layer = {{"product", 4}, {"paged_attention", 1}},
                 .beside = {{"product", 1}, {"aten::index_select", 2}}},
        StepCase{.model = Case{"models/tiny-t5", at::kHalf},
                 .layers = 2,
                 .of_layer = {{"product", 6}, {"paged_attention", 2}},
                 .beside = {{"product", 1}, {"aten::index_select", 1}}},
        StepCase{.model = golden("blip2_opt"),
                 .layers = 2,
                 .of_layer = {{"product", 4}, {"paged_attention", 1}},
                 .beside = {{"product", 1}, {"aten::index_select", 2}, {"aten::add", 1}}},
        // More rows than kernels multiply, but for logits, which stay float32.
        StepCase{.model = golden("vicuna_old_ids"),
                 .layers = 3,
                 .of_layer = {{"norm", 2},
                              {"aten::mm", 4},
                              {"kv_append", 1},
                              {"paged_attention", 1},
                              {"activation", 1}},
                 .beside = {{"product", 1}, {"aten::index_select", 2}, {"aten::add", 1}},
                 .beams = 9}),
    [](const auto& test) {
      const StepCase& step = test.param;
      return name_of(step.model) + (step.beams > 1 ? "_of_many_rows" : "");
    });

// Prompts of more rows than kernels multiply: products are LibTorch's, and norms add residuals up.
// The last layer, which is not among `layers`, goes on with one row behind its attention, by
// kernels.
class RecordedPrompts : public testing::TestWithParam<StepCase> {};

TEST_P(RecordedPrompts, LaunchNoMoreThanIsKnown) {
  const auto model = load_emulated(GetParam().model);
  std::string instruction;
  for (int i = 0; i < 12; ++i) instruction += "What is this? ";
  for (int i = 0; i < 2; ++i) answer_to(*model, {picture(), instruction, tokens(1)});
  expect_launches(GetParam());
}

INSTANTIATE_TEST_SUITE_P(Families, RecordedPrompts,
                         testing::Values(StepCase{.model = golden("vicuna_old_ids"),
                                                  .layers = 2,
                                                  .of_layer = {{"norm", 2},
                                                               {"aten::mm", 4},
                                                               {"kv_append", 1},
                                                               {"attention", 1},
                                                               {"activation", 1}},
                                                  .beside = {{"norm", 1},
                                                             {"aten::mm", 1},
                                                             {"kv_append", 1},
                                                             {"attention", 1},
                                                             {"product", 4},
                                                             {"aten::index_select", 1}}},
                                         StepCase{.model = golden("blip2_opt"),
                                                  .layers = 1,
                                                  .of_layer = {{"norm", 2},
                                                               {"aten::addmm", 4},
                                                               {"kv_append", 1},
                                                               {"attention", 1},
                                                               {"activation", 1}},
                                                  .beside = {{"norm", 1},
                                                             {"aten::addmm", 1},
                                                             {"kv_append", 1},
                                                             {"attention", 1},
                                                             {"product", 4},
                                                             {"aten::index_select", 1},
                                                             {"aten::add", 1}}}),
                         [](const auto& test) { return name_of(test.param.model); });

// Prompts that are as long as one that was recorded, of other pictures, are launched and give what
// they give where nothing has been recorded.
class PromptsOfOneLength : public testing::TestWithParam<Case> {};

TEST_P(PromptsOfOneLength, AreLaunchedAgain) {
  const auto model = load_emulated(GetParam());
  std::int64_t least = 1;  // the second step; then the prompt too, and each step
  for (const char* name : {"astronaut.jpg", "rocket.jpg", "coffee.jpg"}) {
    const Request request{picture(name), "What is this?", tokens(3)};
    const std::int64_t before = records_launched_by_stand_in();
    const Seen seen = answer_to(*model, request);
    const std::int64_t launched = records_launched_by_stand_in() - before;
    const Seen alone = answer_to(*load_emulated(GetParam()), request);
    EXPECT_EQ(seen.ids, alone.ids) << name;
    EXPECT_EQ(seen.stages.at("logits"), alone.stages.at("logits")) << name;
    EXPECT_GE(launched, std::exchange(least, 3)) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Families, PromptsOfOneLength,
                         testing::Values(golden("vicuna_old_ids"), golden("blip2_mt5_2026"),
                                         golden("blip2_opt")),
                         [](const auto& test) { return name_of(test.param); });

}  // namespace
}  // namespace instructblip
