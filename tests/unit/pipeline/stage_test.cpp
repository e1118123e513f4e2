// Stages that throw, and what is kept of their output: what a pipeline does not show outside.
#include <gtest/gtest.h>

#include <memory>
#include <new>
#include <span>
#include <utility>
#include <vector>

#include "pipeline/batch.h"
#include "pipeline/job.h"
#include "pipeline/model_parts.h"
#include "pipeline/prepare.h"
#include "unit/pipeline/models.h"
#include "unit/pipeline/toys.h"

namespace instructblip {
namespace {

using test::checkpoint;
using test::picture;
using test::tokens;

// A language model for whose second prompt there is no memory at first.
class ShortOfMemory final : public LanguageModel {
 public:
  explicit ShortOfMemory(std::unique_ptr<const LanguageModel> model) : model_(std::move(model)) {}

  std::unique_ptr<LanguageState> start(at::Tensor prompt) const override {
    if (++started_ == 2) throw std::bad_alloc();
    return model_->start(std::move(prompt));
  }
  at::Tensor embed(std::span<const std::int32_t> ids) const override { return model_->embed(ids); }
  at::Tensor prefill(std::span<LanguageState* const> states) const override {
    return model_->prefill(states);
  }
  StepLogits step(std::span<const LanguageStep> steps) const override {
    return model_->step(steps);
  }
  std::vector<std::int32_t> history(std::span<const std::int32_t> prompt) const override {
    return model_->history(prompt);
  }
  std::int64_t vocabulary() const override { return model_->vocabulary(); }
  std::int64_t width() const override { return model_->width(); }

 private:
  std::unique_ptr<const LanguageModel> model_;
  mutable int started_ = 0;
};

// The first one has been embedded when the second one fails; all three are then tried alone.
TEST(Batch, AStageThatFailsForOneIsRepeatedForTheOthers) {
  const auto model = test::load("t5_2024", std::make_unique<nn::Runtime>(), [](Stages& stages) {
    stages.language = std::make_unique<ShortOfMemory>(std::move(stages.language));
  });
  const std::vector<Request> requests = {{picture(), "What is this?", tokens(5)},
                                         {picture("coffee.jpg"), "Who?", tokens(4)},
                                         {picture("rocket.jpg"), "Where is it?", tokens(6)}};
  Batch batch(*model);
  std::vector<std::shared_ptr<Job>> jobs;
  for (const Request& request : requests)
    jobs.push_back(prepare(*model, request, {{}, jobs.size()}));
  for (const auto& job : jobs) batch.admit(job);
  while (!batch.empty()) batch.advance();
  const Pipeline sound = Pipeline::load(checkpoint("t5_2024"));
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    SCOPED_TRACE(i);
    const Response got = to_response(*jobs[i]);
    ASSERT_TRUE(got.generation) << got.error->what();
    EXPECT_EQ(got.generation->tokens(),
              sound.generate(requests[i].pictures, requests[i].instruction, requests[i].options)
                  .tokens());
  }
}

class ImageReaderTest : public testing::TestWithParam<std::string> {};

// The Q-Former's words and the class token of CLIP are computed beside what is kept.
TEST_P(ImageReaderTest, WhatIsKeptTakesTheBytesThatAreCounted) {
  const auto model = test::load(GetParam());
  const Image image = picture();
  const std::vector<at::Tensor> views = views_of(*model, std::span(&image, 1));
  const std::vector<std::int32_t> words = {3, 4, 5, 6, 7};
  model->runtime->run([&] {
    const EncodedPicture seen = model->reader->encode(views).front().picture;
    EXPECT_EQ(seen.rows.storage().nbytes(), seen.rows.nbytes());
    const at::Tensor queries =
        model->reader->run_qformer(std::vector<QFormerInput>{{seen, words}}).front().queries;
    EXPECT_EQ(queries.storage().nbytes(), queries.nbytes());
  });
}

// Arithmetic over config.json, asked before there are stages, and what the stages then do.
TEST_P(ImageReaderTest, GeometryIsWhatTheVisionEncoderMakes) {
  const auto model = test::load(GetParam());
  const Image image = picture();
  EXPECT_EQ(model->geometry.positions(), model->stages->vision->positions());
  EXPECT_EQ(model->geometry.width(), model->stages->vision->width());
  const std::vector<at::Tensor> views = views_of(*model, std::span(&image, 1));
  EXPECT_EQ(model->geometry.views_of(model->image_processor.size_of(image)), views[0].size(0));
  EXPECT_EQ(view_bytes(*model, image), static_cast<std::int64_t>(views[0].nbytes()));
}

INSTANTIATE_TEST_SUITE_P(Families, ImageReaderTest,
                         testing::Values("t5_2024", "llava_hub", "llava_next_hub"),
                         [](const auto& test) { return test.param; });

}  // namespace
}  // namespace instructblip
