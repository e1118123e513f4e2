// Rows of preprocessor_config.json and processor_config.json.
#include "config/image_config.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "malformed/malformed.h"

namespace instructblip {
namespace {

using test::MalformedRow;
using test::TempDirectory;

constexpr const char* kFile = "preprocessor_config.json";
constexpr ErrorCode kBad = ErrorCode::bad_model;

std::function<void(const TempDirectory&)> file(const std::string& json) {
  return [json](const TempDirectory& d) { d.write(kFile, json); };
}

std::function<void(const TempDirectory&)> processor(const std::string& json) {
  return [json](const TempDirectory& d) { d.write("processor_config.json", json); };
}

const MalformedRow kRows[] = {
    {"BothMissing", ErrorCode::not_found, "found neither", [](const TempDirectory&) {}},
    {"Fifo", kBad, "got a special file", [](const TempDirectory& d) { d.make_fifo(kFile); }},
    {"Empty", kBad, "preprocessor_config.json: not valid JSON", file("")},
    {"BrokenBesideAGoodOne", kBad, "preprocessor_config.json: not valid JSON",
     [](const TempDirectory& d) {
       processor(R"({"image_processor":{"size":224}})")(d);
       file("{\"size\":")(d);
     }},
    {"DanglingLinkBesideAGoodOne", ErrorCode::not_found, "cannot be opened",
     [](const TempDirectory& d) {
       processor(R"({"image_processor":{"size":224}})")(d);
       std::filesystem::create_symlink("gone", d / kFile);
     }},
    {"Array", kBad, "expected an object", file("[]")},
    {"NestedArray", kBad, "image_processor: expected an object",
     processor(R"({"image_processor":[]})")},
    {"SizeZero", kBad, "size: expected an integer in [1, 32768], got 0", file(R"({"size":0})")},
    {"SizeNegative", kBad, "size.height: expected an integer",
     file(R"({"size":{"height":-1,"width":224}})")},
    {"SizeHuge", kBad, "got 1000000000000", file(R"({"size":1000000000000})")},
    {"SizeTooManyPixels", kBad, "size: expected at most 64000000 pixels",
     file(R"({"size":{"height":32768,"width":32768}})")},
    {"SizeString", kBad, "size: expected an integer or an object", file(R"({"size":"224"})")},
    {"SizeFraction", kBad, "size: expected an integer or an object", file(R"({"size":224.0})")},
    {"SizeShortestEdge", kBad, "size.height: expected a value",
     file(R"({"size":{"shortest_edge":224}})")},
    {"SizeThreeSides", kBad, "size: expected [height, width]", file(R"({"size":[1,2,3]})")},
    {"ResampleBilinear", ErrorCode::unsupported,
     "preprocessor_config.json: resample: filter 2, expected 3 (bicubic)",
     file(R"({"resample":2})")},
    {"ResampleNull", ErrorCode::unsupported,
     "processor_config.json: image_processor.resample: filter null (bilinear)",
     processor(R"({"image_processor":{"resample":null}})")},
    {"ResampleUnknown", kBad, "resample: expected an integer in [0, 5], got 9",
     file(R"({"resample":9})")},
    {"ResampleString", kBad, "resample: expected an integer", file(R"({"resample":"bicubic"})")},
    {"MeanTwoChannels", kBad, "image_mean: expected a number or an array of 3",
     file(R"({"image_mean":[0.5,0.5]})")},
    {"MeanString", kBad, "image_mean[1]: expected a number",
     file(R"({"image_mean":[0.5,"x",0.5]})")},
    {"StdZero", kBad, "image_std: expected numbers above 0", file(R"({"image_std":[0.5,0,0.5]})")},
    {"StdNegative", kBad, "image_std: expected numbers above 0", file(R"({"image_std":-1})")},
    {"FlagNumber", kBad, "do_resize: expected true or false, got 1", file(R"({"do_resize":1})")},
    {"FactorString", kBad, "rescale_factor: expected a number",
     file(R"({"rescale_factor":"1/255"})")},
    {"DuplicateKey", kBad, "duplicate key 'size'", file(R"({"size":224,"size":384})")},
};

// Read as LLaVA's files are.
const MalformedRow kNamedRows[] = {
    {"OtherProcessor", ErrorCode::unsupported,
     "preprocessor_config.json: image_processor_type: image processor 'SiglipImageProcessor', "
     "expected one of BlipImageProcessor, CLIPImageProcessor, LlavaImageProcessor",
     file(R"({"image_processor_type":"SiglipImageProcessor"})")},
    {"OtherExtractor", ErrorCode::unsupported, "feature_extractor_type: image processor 'ViTF",
     file(R"({"feature_extractor_type":"ViTFeatureExtractor"})")},
    {"NameNumber", kBad, "image_processor_type: expected a string",
     file(R"({"image_processor_type":1})")},
    {"EdgeZero", kBad, "size.shortest_edge: expected an integer in [1, 32768], got 0",
     file(R"({"size":{"shortest_edge":0}})")},
    {"EdgeTooManyPixels", kBad, "size: expected at most 64000000 pixels",
     file(R"({"size":{"shortest_edge":32768}})")},
    {"EdgeAndLongestEdge", ErrorCode::unsupported, "size.longest_edge: expected none beside",
     file(R"({"size":{"shortest_edge":224,"longest_edge":300}})")},
    {"EdgeAndHeight", ErrorCode::unsupported, "size.height: expected none beside shortest_edge",
     file(R"({"size":{"shortest_edge":224,"height":300}})")},
    {"OneSide", kBad, "size.width: expected a value", file(R"({"size":{"height":300}})")},
    {"CropString", kBad, "crop_size: expected an integer or an object",
     file(R"({"crop_size":"224"})")},
    {"CropEdge", kBad, "crop_size.height: expected a value",
     file(R"({"crop_size":{"shortest_edge":224}})")},
    {"CropTooManyPixels", kBad, "crop_size: expected at most 64000000 pixels",
     file(R"({"crop_size":32768})")},
    {"CropFlag", kBad, "do_center_crop: expected true or false", file(R"({"do_center_crop":1})")},
    {"MarginWithoutColour", kBad, "image_mean: expected numbers from 0 to 1",
     file(R"({"do_pad":true,"image_mean":[0.5,0.5,1.5]})")},
};

// Beside a config.json of LLaVA-NeXT.
const MalformedRow kTileRows[] = {
    {"OtherProcessor", ErrorCode::unsupported, "expected one of LlavaNextImageProcessor",
     file(R"({"image_processor_type":"CLIPImageProcessor"})")},
    {"OtherGrid", kBad, "image_grid_pinpoints: expected the same resolutions in the same order",
     file(R"({"image_grid_pinpoints":[[56,28],[28,56]],"crop_size":28})")},
    {"NoGrid", kBad, "image_grid_pinpoints: expected the same resolutions",
     file(R"({"crop_size":28})")},
    {"GridString", kBad, "image_grid_pinpoints: expected an array",
     file(R"({"image_grid_pinpoints":"[[28,56],[56,28]]","crop_size":28})")},
    {"OtherTiles", kBad, "crop_size: tiles of 14 pixels, expected vision_config.image_size 28",
     file(R"({"image_grid_pinpoints":[[28,56],[56,28]],"crop_size":14})")},
    {"NoCrop", kBad, "crop_size: tiles of 224 pixels, expected vision_config.image_size 28",
     file(R"({"image_grid_pinpoints":[[28,56],[56,28]]})")},
};

// Settings of a video model.
const MalformedRow kVideoRows[] = {
    {"OtherProcessor", ErrorCode::unsupported,
     "video_processor_type: video processor 'LlavaNextVideoVideoProcessor', expected "
     "InstructBlipVideoVideoProcessor",
     file(R"({"video_processor_type":"LlavaNextVideoVideoProcessor"})")},
    {"PickedFramesWithoutNumber", ErrorCode::unsupported,
     "do_sample_frames: expected num_frames and no fps", file(R"({"do_sample_frames":true})")},
    {"PickedFramesByRate", ErrorCode::unsupported, "expected num_frames and no fps",
     file(R"({"do_sample_frames":true,"num_frames":4,"fps":2})")},
    {"PickedFramesZero", kBad, "num_frames: expected an integer in [1, 1048576], got 0",
     file(R"({"do_sample_frames":true,"num_frames":0})")},
    {"CropWithoutSize", kBad, "crop_size: expected a value", file(R"({"do_center_crop":true})")},
    {"EdgeAndHeight", ErrorCode::unsupported, "size.height: expected none beside shortest_edge",
     file(R"({"size":{"shortest_edge":224,"height":300}})")},
    {"SizeTooManyPixels", kBad, "size: expected at most 64000000 pixels",
     file(R"({"size":{"shortest_edge":32768}})")},
    {"ResampleBilinear", ErrorCode::unsupported, "filter 2, expected 3 (bicubic)",
     file(R"({"resample":2})")},
};

class MalformedImageConfig : public testing::TestWithParam<MalformedRow> {};

TEST_P(MalformedImageConfig, CostsOneClearError) {
  test::expect_malformed(GetParam(), [](const std::filesystem::path& d) { read_image_config(d); });
}

class MalformedNamedImageConfig : public testing::TestWithParam<MalformedRow> {};

TEST_P(MalformedNamedImageConfig, CostsOneClearError) {
  test::expect_malformed(GetParam(), [](const std::filesystem::path& d) {
    read_image_config(d, {.named_by_file = true});
  });
}

class MalformedVideoConfig : public testing::TestWithParam<MalformedRow> {};

TEST_P(MalformedVideoConfig, CostsOneClearError) {
  test::expect_malformed(
      GetParam(), [](const std::filesystem::path& d) { read_image_config(d, {.of_video = true}); });
}

class MalformedTileConfig : public testing::TestWithParam<MalformedRow> {};

TEST_P(MalformedTileConfig, CostsOneClearError) {
  test::expect_malformed(GetParam(), [](const std::filesystem::path& d) {
    const TilingConfig tiling = {{{28, 56}, {56, 28}}, 28, 2};
    read_image_config(d, {.named_by_file = true, .tiling = tiling});
  });
}

INSTANTIATE_TEST_SUITE_P(ImageConfig, MalformedTileConfig, testing::ValuesIn(kTileRows),
                         test::name_of_row);
INSTANTIATE_TEST_SUITE_P(ImageConfig, MalformedVideoConfig, testing::ValuesIn(kVideoRows),
                         test::name_of_row);
INSTANTIATE_TEST_SUITE_P(ImageConfig, MalformedNamedImageConfig, testing::ValuesIn(kNamedRows),
                         test::name_of_row);
INSTANTIATE_TEST_SUITE_P(ImageConfig, MalformedImageConfig, testing::ValuesIn(kRows),
                         test::name_of_row);

}  // namespace
}  // namespace instructblip
