#include "costs/published_models.h"

#include <gtest/gtest.h>

#include <string>
#include <variant>

#include "instructblip/error.h"

namespace instructblip::costs {
namespace {

TEST(PublishedConfig, OfAnUnknownNameIsRefusedWithThoseThatThereAre) {
  try {
    published_config("instructblip-vicuna-8b");
    FAIL();
  } catch (const Error& error) {
    const std::string what = error.what();
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    EXPECT_NE(what.find("instructblip-vicuna-8b"), std::string::npos) << what;
    EXPECT_NE(what.find("instructblip-vicuna-7b, "), std::string::npos) << what;
  }
}

TEST(CutLayers, LeavesSoManyInEveryStack) {
  ModelConfig config = published_config("instructblip-flan-t5-xl");
  cut_layers(config, 3);
  EXPECT_EQ(std::get<VitConfig>(config.vision).layers, 3);
  EXPECT_EQ(config.qformer->layers, 3);
  EXPECT_EQ(std::get<T5Config>(config.text).encoder_layers, 3);
  EXPECT_EQ(std::get<T5Config>(config.text).decoder_layers, 3);
  cut_layers(config, 100);
  EXPECT_EQ(config.qformer->layers, 3);
}

// One layer more stands behind those whose output is looked at, as in the published model.
TEST(CutLayers, OfClipCountsThoseThatAreRun) {
  ModelConfig config = published_config("llava-1.5-7b");
  EXPECT_EQ(std::get<ClipVisionConfig>(config.vision).feature_layers,
            std::vector<std::int64_t>{23});
  cut_layers(config, 2);
  EXPECT_EQ(std::get<ClipVisionConfig>(config.vision).layers, 3);
  EXPECT_EQ(std::get<ClipVisionConfig>(config.vision).feature_layers, std::vector<std::int64_t>{2});
  EXPECT_EQ(std::get<LlamaConfig>(config.text).layers, 2);
}

}  // namespace
}  // namespace instructblip::costs
