// Whole families on a device that refuses what a device refuses: tensors of the host among its own,
// and reads of its memory by the host.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <future>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "loading/devices.h"
#include "nn/similarity.h"
#include "pipeline/batch.h"
#include "pipeline/encoded_pictures.h"
#include "pipeline/job.h"
#include "pipeline/prepare.h"
#include "pipeline/ranking.h"
#include "pipeline/running_engine.h"
#include "pipeline/tensors.h"
#include "support/cuda_device.h"
#include "support/temp_directory.h"
#include "unit/nn/stand_in_device.h"
#include "unit/nn/tensors.h"
#include "unit/pipeline/models.h"
#include "unit/pipeline/retrieval_model.h"

namespace instructblip {
namespace {

using test::picture;
using test::tokens;

using Ids = std::vector<std::int32_t>;

constexpr double kRounding = 1e-4;

// Whatever the model's own options are.
GenerationConfig greedy(int count) {
  GenerationConfig config = tokens(count);
  config.num_beams = 1;
  return config;
}

// What several requests at once become: greedy, several beams, and a picture that was seen before.
std::vector<Ids> answers(const ModelParts& model) {
  GenerationConfig beams = tokens(20);  // over a page
  beams.num_beams = 3;
  const std::vector<Request> requests = {{picture(), "What is this?", greedy(6)},
                                         {picture("coffee.jpg"), "Who?", beams},
                                         {picture(), "Where is it?", greedy(4)}};
  Batch batch(model);
  std::vector<std::shared_ptr<Job>> jobs;
  for (const Request& request : requests)
    jobs.push_back(prepare(model, request, {{}, jobs.size()}));
  for (const auto& job : jobs) batch.admit(job);
  while (!batch.empty()) batch.advance();
  std::vector<Ids> all;
  for (const auto& job : jobs) {
    const Response response = to_response(*job);
    EXPECT_TRUE(response.generation) << response.error->what();
    all.push_back(response.generation ? response.generation->tokens() : Ids());
  }
  return all;
}

class OnADevice : public testing::TestWithParam<std::string> {
 protected:
  const std::unique_ptr<const ModelParts> here_ = test::load(GetParam());
  const std::unique_ptr<const ModelParts> there_ =
      test::load(GetParam(), std::make_unique<StandInRuntime>());
};

TEST_P(OnADevice, AFamilyGivesTheAnswersOfTheProcessor) {
  const std::int64_t before = operations_of_stand_in();
  const std::int64_t launched = records_launched_by_stand_in();
  EXPECT_EQ(answers(*there_), answers(*here_));
  EXPECT_GT(operations_of_stand_in(), before);
  EXPECT_GT(records_launched_by_stand_in(), launched);
}

// Over the padded sizes of their tables, of a few pages and of all that the pool had at first.
TEST_P(OnADevice, LongAnswersOutgrowTheSizesOfSteps) {
  const Request request{picture(), "What is this?", greedy(70)};
  const auto ids = [&](const ModelParts& model) {
    return answer(model, prepare(model, request, {})).tokens();
  };
  const std::int64_t before = records_launched_by_stand_in();
  EXPECT_EQ(ids(*there_), ids(*here_));
  EXPECT_GT(records_launched_by_stand_in() - before, 10);
}

// More than the processor would, in one pass.
TEST_P(OnADevice, ManyRequestsMoveTogether) {
  ASSERT_LT(rows_of_a_batch(*here_->runtime), 36u);
  ASSERT_GE(rows_of_a_batch(*there_->runtime), 36u);
  GenerationConfig beams = greedy(3);
  beams.num_beams = 3;
  const Image pictures[] = {picture(), picture("coffee.jpg")};
  std::vector<Request> requests;
  for (int i = 0; i < 12; ++i) {
    requests.push_back({pictures[i % 2], "What is this, " + std::to_string(i) + "?", beams});
  }
  const std::vector<Response> here = answer_all(*here_, requests, {});
  const std::vector<Response> there = answer_all(*there_, requests, {});
  for (std::size_t i = 0; i < requests.size(); ++i) {
    ASSERT_TRUE(here[i].generation && there[i].generation);
    EXPECT_EQ(there[i].generation->tokens(), here[i].generation->tokens());
  }
}

// Whatever else has been read before: the first goes through, the second is recorded.
TEST_P(OnADevice, PicturesAndInstructionsAreReadFromRecords) {
  const ModelConfig config = read_model_config(test::checkpoint(GetParam()));
  const ImageConfig image = read_image_config(test::checkpoint(GetParam()), config.image_processor);
  const bool reads = config.qformer && config.qformer->reads_instruction;
  const auto stages_of = [&](const ModelParts& model, int i) {
    return model.runtime->run([&] {
      const at::Tensor pixels =
          model.runtime->upload(wave({2, 3, image.height, image.width}, 0.1 + 0.1 * i));
      std::vector<at::Tensor> made = {model.stages->vision->forward(pixels)};
      if (!config.qformer) return made;
      const Ids words = reads ? Ids{5, 6 + i, 7} : Ids(), more = reads ? Ids{8} : Ids();
      const QFormer::Ids both[] = {words, more};
      made.push_back(model.stages->qformer->forward_each(both, made[0]));
      return made;
    });
  };
  const std::int64_t launched = records_launched_by_stand_in();
  std::vector<std::vector<at::Tensor>> made;
  for (int i = 0; i < 4; ++i) made.push_back(stages_of(*there_, i));
  EXPECT_EQ(records_launched_by_stand_in() - launched, config.qformer ? 6 : 3);
  for (int i = 0; i < 4; ++i) {
    const auto want = stages_of(*here_, i);
    for (std::size_t k = 0; k < want.size(); ++k) {
      EXPECT_LT(largest_difference(nn::to_host(made[static_cast<std::size_t>(i)][k]), want[k]),
                kRounding);
    }
  }
}

// Candidates are read several tokens at a time, behind a prompt that they share.
TEST_P(OnADevice, AFamilyRanksAsOnTheProcessor) {
  const Image image = picture();
  const std::vector<std::string> candidates = {"a cat on a mat", "a cat", "the sea"};
  const auto ranked = [&](const ModelParts& model) {
    Ranking ranking(model, {image, "What is this?"}, candidates, {});
    while (const auto job = ranking.next({})) ranking.add(answer(model, job));
    return ranking.result();
  };
  const auto here = ranked(*here_), there = ranked(*there_);
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    EXPECT_EQ(there[i].index, here[i].index);
    EXPECT_NEAR(there[i].score / here[i].score, 1, kRounding);
  }
}

// Features lie on the device, in a file, and, read again, in the host's memory.
TEST_P(OnADevice, FeaturesComeDownAndGoUpAgain) {
  const Image image = picture();
  const test::TempDirectory directory;
  const auto file = directory.path() / "features.safetensors";
  encode_pictures(*there_, image).save(file);
  const ImageFeatures features = load_features(file);
  const auto tokens_of = [](const ModelParts& model, const Pictures& pictures) {
    return answer(model, prepare(model, {pictures, "What is this?", tokens(5)}, {})).tokens();
  };
  EXPECT_EQ(tokens_of(*there_, features), tokens_of(*here_, image));
}

// Where there is a CUDA device, and the part for it was built.
class CudaDevice : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    const DeviceChoice choice = test::automatic_device();
    if (!choice.cuda) GTEST_SKIP() << choice.why_not;
    there_ = test::load(GetParam(), make_cuda_runtime(*choice.cuda, 1));
  }

  std::unique_ptr<const ModelParts> there_;
};

TEST_P(CudaDevice, AFamilyGivesTheAnswersOfTheProcessor) {
  const std::vector<Ids> first = answers(*there_);
  EXPECT_EQ(first, answers(*test::load(GetParam())));
  EXPECT_EQ(first, answers(*there_));
}

INSTANTIATE_TEST_SUITE_P(Families, CudaDevice,
                         testing::Values("t5_2024", "vicuna_gqa", "vicuna_dynamic", "video_vicuna",
                                         "blip2_opt", "blip2_opt_postln", "blip2_t5", "llava_hub",
                                         "llava_llama3", "llava_next_hub"),
                         [](const auto& test) { return test.param; });

INSTANTIATE_TEST_SUITE_P(Families, OnADevice,
                         testing::Values("t5_2024", "vicuna_gqa", "vicuna_dynamic", "video_vicuna",
                                         "blip2_opt", "blip2_opt_postln", "blip2_t5", "llava_hub",
                                         "llava_llama3", "llava_next_hub"),
                         [](const auto& test) { return test.param; });

// Pictures of another size than the positions were learned for.
TEST(OnADeviceOnce, PositionsAreStretched) {
  const auto there = test::load("vicuna_interpolated", std::make_unique<StandInRuntime>());
  EXPECT_EQ(answers(*there), answers(*test::load("vicuna_interpolated")));
}

// [texts and pictures apart, the verdict about both].
std::vector<at::Tensor> verdicts(const std::string& name, nn::Runtime& runtime) {
  const auto [image, stages] = test::load_retrieval(name, runtime);
  const Ids text = {2, 7, 9, 4, 3};
  return runtime.run([&, &image = image, &stages = stages] {
    const at::Tensor pixels = runtime.upload(wave({1, 3, image.height, image.width}, 0.2));
    const at::Tensor visual = stages->vision().forward(pixels);
    const at::Tensor seen = stages->embed_image(visual), read = stages->embed_text(text);
    const at::Tensor verdict = stages->matching_logits(stages->fuse(text, visual));
    return std::vector<at::Tensor>{nn::to_host(nn::greatest_cosines(runtime, seen, read)),
                                   nn::to_host(verdict)};
  });
}

TEST(OnADeviceOnce, RetrievalJudgesAsOnTheProcessor) {
  nn::Runtime here;
  StandInRuntime there;
  const auto want = verdicts("blip2_itm", here), got = verdicts("blip2_itm", there);
  for (std::size_t i = 0; i < want.size(); ++i) {
    EXPECT_LT(largest_difference(got[i], want[i]), kRounding);
  }
}

// 40 requests, of which the first holds the others up until all are there.
std::size_t most_running(std::shared_ptr<const ModelParts> model) {
  constexpr int kRequests = 40;
  std::promise<void> all_are_there;
  std::atomic<std::size_t> most = 0, answered = 0;
  std::shared_future<void> there = all_are_there.get_future().share();
  const auto engine = run_engine(std::move(model), {});
  const Control control{.on_token = [&](const TokenEvent&) {
    there.wait();
    most = std::max(most.load(), engine->stats().running);
    return Flow::go;
  }};
  for (int i = 0; i < kRequests; ++i) {
    engine->submit({picture(), "What is this?", greedy(12)}, control,
                   [&](const Outcome<Generation>& outcome, const std::exception_ptr&) {
                     EXPECT_TRUE(outcome.value);
                     ++answered;
                   });
  }
  all_are_there.set_value();
  while (answered < kRequests) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  return most;
}

TEST(OnADeviceOnce, AnEngineMovesMoreRequestsAtOnce) {
  EXPECT_EQ(most_running(test::load("t5_2024", std::make_unique<StandInRuntime>())), 40U);
  EXPECT_EQ(most_running(test::load("t5_2024")), 32U);
}

TEST(StandInDevice, RefusesTensorsOfTheHost) {
  const StandInRuntime runtime;
  const at::Tensor here = wave({2, 3}, 0.1), there = runtime.upload(here);
  EXPECT_EQ(largest_difference(nn::to_host(there + there), here * 2), 0.0);
  EXPECT_ANY_THROW(there + here);
  EXPECT_ANY_THROW(at::cat({there, here}));
}

TEST(StandInDeviceDeathTest, EndsAProgramThatReadsItsMemory) {
  const StandInRuntime runtime;
  const at::Tensor there = runtime.upload(wave({2, 3}, 0.1));
  EXPECT_DEATH((void)*static_cast<const volatile float*>(there.const_data_ptr<float>()), "");
}

}  // namespace
}  // namespace instructblip
