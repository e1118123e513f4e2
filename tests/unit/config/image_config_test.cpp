#include "config/image_config.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "core/json.h"
#include "support/temp_directory.h"

namespace instructblip {
namespace {

TEST(ImageConfig, ReadsFilesAsTheReferenceDoes) {
  const Json cases = Json::read(std::filesystem::path(INSTRUCTBLIP_SOURCE_DIR) /
                                "tests/unit/config/image_config_goldens.json")
                         .at("cases");
  ASSERT_GT(cases.size(), 30u);
  for (const Json& row : cases.elements()) {
    SCOPED_TRACE(row.at("name").string());
    const test::TempDirectory directory;
    for (const std::string key : {"preprocessor", "processor"}) {
      const std::string file =
          key == "processor" ? "processor_config.json" : "preprocessor_config.json";
      if (const auto content = row.find(key)) directory.write(file, content->dump());
    }
    const ImageConfig config =
        read_image_config(directory.path(), {.named_by_file = row.at("by_name").boolean()});
    const Json expected = row.at("expected");
    EXPECT_EQ(config.convert_rgb, expected.at("convert_rgb").boolean());
    EXPECT_EQ(config.resize, expected.at("resize").boolean());
    EXPECT_EQ(config.rescale, expected.at("rescale").boolean());
    EXPECT_EQ(config.normalize, expected.at("normalize").boolean());
    EXPECT_EQ(config.height, expected.at("height").integer());
    EXPECT_EQ(config.width, expected.at("width").integer());
    EXPECT_EQ(config.resized_height, expected.at("resized_height").integer());
    EXPECT_EQ(config.resized_width, expected.at("resized_width").integer());
    EXPECT_EQ(config.shortest_edge, expected.at("shortest_edge").integer());
    EXPECT_EQ(config.center_crop, expected.at("center_crop").boolean());
    EXPECT_EQ(config.pad_to_square, expected.at("pad").boolean());
    EXPECT_EQ(config.resample, expected.at("resample").integer());
    EXPECT_EQ(config.rescale_factor, expected.at("rescale_factor").number());
    for (std::size_t channel = 0; channel < 3; ++channel) {
      EXPECT_EQ(config.mean.at(channel), expected.at("mean")[channel].number());
      EXPECT_EQ(config.std.at(channel), expected.at("std")[channel].number());
    }
  }
}

// CLIPImageProcessorFast's, whose class takes a bare number for the shorter side unless it is told.
TEST(ImageConfig, OfTheFastClassMayBeSquare) {
  const test::TempDirectory directory;
  const auto edge = [&](const std::string& settings) {
    directory.write("preprocessor_config.json",
                    R"({"image_processor_type": "CLIPImageProcessorFast", )" + settings + "}");
    return read_image_config(directory.path(), {.named_by_file = true}).shortest_edge;
  };
  EXPECT_EQ(edge(R"("size": 42)"), 42);
  EXPECT_EQ(edge(R"("size": 42, "default_to_square": true)"), 0);
  EXPECT_EQ(edge(R"("size": {"shortest_edge": 42}, "default_to_square": true)"), 42);
  EXPECT_EQ(edge(R"("size": 42, "use_square_size": true)"), 42);
}

TEST(ImageConfig, KnowsWhichReleaseReadsPictures) {
  const test::TempDirectory directory;
  directory.write("preprocessor_config.json", "{}");
  EXPECT_TRUE(read_image_config(directory.path()).three_rows_are_channels);
  EXPECT_FALSE(
      read_image_config(directory.path(), {.transformers_5 = true}).three_rows_are_channels);
}

// A video checkpoint of 4.57 keeps them in a file of its own, one of 5 in an object of its own.
TEST(ImageConfig, OfAVideoComesFirst) {
  const test::TempDirectory directory;
  directory.write("preprocessor_config.json", R"({"size": {"height": 20, "width": 20}})");
  EXPECT_EQ(read_image_config(directory.path(), {.of_video = true}).height, 20);
  directory.write("video_preprocessor_config.json", R"({"size": {"height": 30, "width": 30}})");
  EXPECT_EQ(read_image_config(directory.path(), {.of_video = true}).height, 30);
  EXPECT_EQ(read_image_config(directory.path()).height, 20);

  const test::TempDirectory newer;
  newer.write("processor_config.json",
              R"({"image_processor": {"size": {"height": 20, "width": 20}},
                  "video_processor": {"size": {"height": 30, "width": 30}}})");
  EXPECT_EQ(read_image_config(newer.path(), {.of_video = true}).height, 30);
  EXPECT_EQ(read_image_config(newer.path()).height, 20);
}

// Transformers 5 reads an object of processor_config.json before all files, its predecessor the
// first file that is there.
TEST(ImageConfig, TheReleaseDecidesWhichFileComesFirst) {
  const test::TempDirectory directory;
  directory.write("preprocessor_config.json", R"({"size": {"height": 20, "width": 20}})");
  directory.write("processor_config.json",
                  R"({"image_processor": {"size": {"height": 30, "width": 30}}})");
  EXPECT_EQ(read_image_config(directory.path()).height, 20);
  EXPECT_EQ(read_image_config(directory.path(), {.transformers_5 = true}).height, 30);
  directory.write("processor_config.json", R"({"num_query_tokens": 32})");
  EXPECT_EQ(read_image_config(directory.path(), {.transformers_5 = true}).height, 20);
}

// As AutoProcessor does in 4.57.3 where nobody says use_fast.
TEST(ImageConfig, KnowsWhatComputesWithTorchvision) {
  const auto by_torchvision = [](const std::string& json, const ImageProcessorRules& rules) {
    const test::TempDirectory directory;
    directory.write("preprocessor_config.json", json);
    return read_image_config(directory.path(), rules).by_torchvision;
  };
  const std::string fast = R"({"image_processor_type": "CLIPImageProcessorFast"})";
  EXPECT_TRUE(by_torchvision("{}", {.of_video = true}));
  EXPECT_TRUE(by_torchvision(fast, {.named_by_file = true}));
  EXPECT_FALSE(by_torchvision(fast, {.named_by_file = true, .transformers_5 = true}));
  EXPECT_FALSE(by_torchvision(fast, {}));  // BLIP's processors name their class themselves
  EXPECT_FALSE(
      by_torchvision(R"({"image_processor_type": "CLIPImageProcessor"})", {.named_by_file = true}));
  EXPECT_FALSE(by_torchvision("{}", {.named_by_file = true}));
}

}  // namespace
}  // namespace instructblip
