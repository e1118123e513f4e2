// What is kept of a picture, and for whom.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "instructblip/engine.h"
#include "instructblip/pipeline.h"
#include "pipeline/lru_cache.h"
#include "support/expect_error.h"
#include "support/temp_directory.h"
#include "unit/pipeline/toys.h"

namespace instructblip {
namespace {

using test::checkpoint;
using test::picture;
using test::tokens;

struct Identity {
  std::size_t operator()(int key) const { return static_cast<std::size_t>(key); }
};
using Numbers = LruCache<int, std::string, Identity>;

TEST(LruCache, ForgetsWhatWasNotAskedForLongest) {
  Numbers cache(10);
  cache.insert(1, "one", 4);
  cache.insert(2, "two", 4);
  EXPECT_EQ(cache.find(1), "one");
  cache.insert(3, "three", 4);
  EXPECT_EQ(cache.find(2), std::nullopt);
  EXPECT_EQ(cache.find(1), "one");
  EXPECT_EQ(cache.find(3), "three");
  EXPECT_EQ(cache.usage().bytes, 8);
  EXPECT_EQ(cache.usage().entries, 2);
  EXPECT_EQ(cache.usage().hits, 3);
  EXPECT_EQ(cache.usage().misses, 1);
}

TEST(LruCache, NeverHoldsMoreThanItsCapacity) {
  Numbers cache(10);
  cache.insert(1, "one", 4);
  cache.insert(2, "large", 11);
  EXPECT_EQ(cache.find(2), std::nullopt);
  EXPECT_EQ(cache.find(1), "one") << "nothing is dropped for what does not fit anyway";
  cache.insert(3, "whole", 10);
  EXPECT_EQ(cache.usage().bytes, 10);
  EXPECT_EQ(cache.usage().entries, 1);
  cache.insert(3, "again", 10);
  EXPECT_EQ(cache.find(3), "whole");
  Numbers none(0);
  none.insert(1, "one", 1);
  EXPECT_EQ(none.find(1), std::nullopt);
}

class CacheTest : public testing::TestWithParam<std::string> {
 protected:
  static Pipeline load(std::int64_t bytes) {
    return Pipeline::load(checkpoint(GetParam()), {.cache_bytes = bytes});
  }
};

TEST_P(CacheTest, AnotherQuestionSkipsTheVisionEncoderAndTheSameOneTheQFormerToo) {
  const Pipeline without = load(0);
  const Pipeline pipeline = load(64 << 20);
  const auto ask = [&](const char* instruction) {
    const Generation got = pipeline.generate(picture(), instruction, tokens(8));
    EXPECT_EQ(got.tokens(), without.generate(picture(), instruction, tokens(8)).tokens());
    return got;
  };
  EXPECT_GT(ask("What is this?").timings.vision, 0);
  EXPECT_EQ(ask("Who is this?").timings.vision, 0);
  CacheReport report = pipeline.cache();
  EXPECT_EQ(report.vision.hits, 1);
  EXPECT_EQ(report.vision.misses, 1);
  EXPECT_EQ(report.vision.entries, 1);
  EXPECT_GT(report.vision.bytes, 0);
  const std::int64_t hits = report.qformer.hits;
  ask("Who is this?");
  report = pipeline.cache();
  EXPECT_EQ(report.vision.hits, 2);
  EXPECT_EQ(report.qformer.hits, pipeline.info().query_tokens > 0 ? hits + 1 : 0);
  EXPECT_EQ(without.cache().vision.entries, 0);
}

TEST_P(CacheTest, PicturesAreToldApartByTheirPixels) {
  const Pipeline without = load(0);
  const Pipeline pipeline = load(64 << 20);
  const Image first = picture();
  std::vector<std::uint8_t> pixels;
  for (int y = 0; y < first.height(); ++y) {
    pixels.insert(pixels.end(), first.row(y), first.row(y) + 3 * first.width());
  }
  const Image same = Image::adopt(pixels, first.width(), first.height());
  for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<std::uint8_t>(i / 3 % 2);
  const Image other = Image::adopt(pixels, first.width(), first.height());
  const auto ask = [](const Pipeline& model, const Image& image) {
    return model.features(image, "What?").back().values;
  };
  for (const Image& image : {first, same, other, first}) {
    EXPECT_EQ(pipeline.generate(image, "What is this?", tokens(4)).tokens(),
              without.generate(image, "What is this?", tokens(4)).tokens());
  }
  EXPECT_EQ(pipeline.cache().vision.misses, 2);
  EXPECT_EQ(pipeline.cache().vision.hits, 2);
  EXPECT_NE(ask(pipeline, first), ask(pipeline, other)) << "the pictures look alike to the model";
}

TEST_P(CacheTest, ABatchEncodesAPictureOnce) {
  const Pipeline pipeline = load(64 << 20);
  const std::vector<Request> requests = {{picture(), "What is this?", tokens(3)},
                                         {picture(), "Who is this?", tokens(3)},
                                         {picture("coffee.jpg"), "What is this?", tokens(3)},
                                         {picture(), "What is this?", tokens(3)}};
  pipeline.generate(requests);
  EXPECT_EQ(pipeline.cache().vision.entries, 2);
  EXPECT_EQ(pipeline.cache().vision.misses, 2);
  if (pipeline.info().query_tokens == 0) return;
  // BLIP-2's Q-Former reads no instruction: there are two pictures.
  const bool reads = pipeline.info().max_instruction_tokens > 0;
  EXPECT_EQ(pipeline.cache().qformer.misses, reads ? 3 : 2);
}

TEST_P(CacheTest, ItStaysWithinItsBytes) {
  const Pipeline large = load(64 << 20);
  large.encode(picture());
  const std::int64_t one = large.cache().vision.bytes;
  const Pipeline pipeline = load(3 * one);  // an eighth of it belongs to the Q-Former
  for (const char* name : {"astronaut.jpg", "coffee.jpg", "rocket.jpg", "astronaut.jpg"}) {
    pipeline.encode(picture(name));
    EXPECT_LE(pipeline.cache().vision.bytes, 3 * one);
  }
  EXPECT_EQ(pipeline.cache().vision.entries, 2);
  EXPECT_EQ(pipeline.cache().vision.hits, 0) << "the first picture was dropped";
}

TEST_P(CacheTest, ManyThreadsMayAskAtOnce) {
  const Pipeline without = load(0);
  const Pipeline pipeline = load(64 << 20);
  const std::vector<std::string> names = {"astronaut.jpg", "coffee.jpg"};
  std::vector<std::vector<std::int32_t>> expected;
  for (const std::string& name : names) {
    expected.push_back(without.generate(picture(name), "What is this?", tokens(4)).tokens());
  }
  std::atomic<int> different = 0;
  std::vector<std::thread> callers;
  for (std::size_t i = 0; i < 8; ++i) {
    callers.emplace_back([&, i] {
      const Image image = picture(names[i % 2]);
      const auto got = pipeline.generate(image, "What is this?", tokens(4)).tokens();
      if (got != expected[i % 2]) ++different;
      pipeline.cache();
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(different, 0);
  EXPECT_EQ(pipeline.cache().vision.entries, 2);
  EXPECT_EQ(pipeline.cache().vision.misses, 2) << "whoever was first encoded it for all";
}

TEST_P(CacheTest, SavedFeaturesAreAcceptedByEveryCall) {
  const test::TempDirectory directory;
  const Pipeline pipeline = load(0);
  const ImageFeatures encoded = pipeline.encode(picture());
  encoded.save(directory.path() / "saved.safetensors");
  save_tensors(directory.path() / "stages.safetensors", pipeline.features(picture(), "What?"));
  const Generation direct = pipeline.generate(picture(), "What is this?", tokens(8));
  const auto values = [](const std::vector<NamedTensor>& tensors) { return tensors.back().values; };
  for (const char* name : {"saved.safetensors", "stages.safetensors"}) {
    const ImageFeatures read = ImageFeatures::load(directory.path() / name);
    EXPECT_EQ(read.images(), 1);
    EXPECT_EQ(read.positions(), encoded.positions());
    EXPECT_EQ(read.width(), encoded.width());
    const Generation answer = pipeline.generate(read, "What is this?", tokens(8));
    EXPECT_EQ(answer.tokens(), direct.tokens());
    EXPECT_EQ(answer.timings.vision, 0);
    const std::vector<Request> batch = {{read, "What is this?", tokens(8)},
                                        {picture("coffee.jpg"), "What is this?", tokens(8)},
                                        {encoded, "What is this?", tokens(8)}};
    const std::vector<Response> got = pipeline.generate(batch);
    EXPECT_EQ(got[0].generation->tokens(), direct.tokens());
    EXPECT_EQ(got[2].generation->tokens(), direct.tokens());
    EXPECT_EQ(Engine(pipeline).submit(batch[0]).get().generation->tokens(), direct.tokens());
    EXPECT_EQ(values(pipeline.features(read, "What?")),
              values(pipeline.features(picture(), "What?")));
  }
}

INSTANTIATE_TEST_SUITE_P(Families, CacheTest,
                         testing::Values("t5_2024", "vicuna_2024", "blip2_opt", "llava_hub",
                                         "llava_next_hub"),
                         [](const auto& test) { return test.param; });

// --- files that are not features

class FeatureFileTest : public testing::Test {
 protected:
  void expect_refused(const std::string& text, const std::vector<NamedTensor>& tensors) {
    const std::filesystem::path file = directory_.path() / "features.safetensors";
    save_tensors(file, tensors);
    const std::string message =
        test::expect_error(ErrorCode::bad_model, text, [&] { ImageFeatures::load(file); });
    EXPECT_NE(message.find("features.safetensors"), std::string::npos) << message;
  }
  test::TempDirectory directory_;
};

TEST_F(FeatureFileTest, AnotherTensorOrShapeIsRefused) {
  expect_refused("'vision' is missing", {{"qformer", {1, 2, 3}, std::vector<float>(6)}});
  expect_refused("got F32 [2, 3]", {{"vision", {2, 3}, std::vector<float>(6)}});
  expect_refused("got F32 [1, 0, 3]", {{"vision", {1, 0, 3}, {}}});
}

// Features of a model that cuts pictures into tiles.
TEST_F(FeatureFileTest, ViewsThatDoNotAddUpAreRefused) {
  const NamedTensor vision = {"vision", {5, 2, 3}, std::vector<float>(30)};
  const auto pictures = [](std::vector<float> values) {
    const auto count = static_cast<std::int64_t>(values.size()) / 3;
    return NamedTensor{"pictures", {count, 3}, std::move(values)};
  };
  expect_refused("'pictures': expected F32 [pictures, 3], got F32 [3]",
                 {vision, {"pictures", {3}, {40, 30, 5}}});
  for (const float bad : {0.0F, -5.0F, 2.5F, 1e9F, std::numeric_limits<float>::quiet_NaN()}) {
    expect_refused("height, width and views of each", {vision, pictures({40, 30, bad})});
    expect_refused("height, width and views of each", {vision, pictures({bad, 30, 5})});
  }
  expect_refused("expected as many views as there are, 5, got 4",
                 {vision, pictures({40, 30, 1, 30, 40, 3})});
  const std::filesystem::path file = directory_.path() / "good.safetensors";
  save_tensors(file, std::array{vision, pictures({40, 30, 2, 30, 40, 3})});
  EXPECT_EQ(ImageFeatures::load(file).images(), 2);
}

// Tiles cannot be put together without the size of what they were cut from.
TEST_F(FeatureFileTest, FeaturesOfTilesNeedTheSizeOfTheirPicture) {
  const Pipeline pipeline = Pipeline::load(checkpoint("llava_next_hub"));
  std::vector<NamedTensor> tensors = pipeline.features(picture());
  std::erase_if(tensors, [](const NamedTensor& tensor) { return tensor.name != "vision"; });
  const std::filesystem::path file = directory_.path() / "features.safetensors";
  save_tensors(file, tensors);
  const ImageFeatures sizeless = ImageFeatures::load(file);
  for (const std::function<void()>& call :
       std::vector<std::function<void()>>{[&] { pipeline.generate(sizeless, "What?"); },
                                          [&] { pipeline.features(sizeless, "What?"); }}) {
    test::expect_error(ErrorCode::invalid_argument, "views of a picture of 0 x 0 pixels", call);
  }
}

TEST_F(FeatureFileTest, NumbersThatAreNotFiniteAreRefused) {
  std::vector<float> values(12);
  values[7] = std::numeric_limits<float>::quiet_NaN();
  expect_refused("of picture 1: expected finite numbers", {{"vision", {2, 2, 3}, values}});
}

TEST_F(FeatureFileTest, AMissingOrDamagedFileIsRefused) {
  test::expect_error(ErrorCode::not_found, "nowhere.safetensors",
                     [&] { ImageFeatures::load(directory_.path() / "nowhere.safetensors"); });
  const std::filesystem::path file = directory_.path() / "short.safetensors";
  std::ofstream(file) << "not a file of tensors";
  test::expect_error(ErrorCode::bad_model, "short.safetensors", [&] { ImageFeatures::load(file); });
}

TEST_F(FeatureFileTest, FeaturesOfAnotherEncoderAreRefusedByTheModel) {
  const Pipeline pipeline = Pipeline::load(checkpoint("t5_2024"));
  const std::filesystem::path file = directory_.path() / "features.safetensors";
  save_tensors(file, std::array{NamedTensor{"vision", {1, 2, 3}, std::vector<float>(6)}});
  const ImageFeatures other = ImageFeatures::load(file);
  for (const std::function<void()>& call :
       std::vector<std::function<void()>>{[&] { pipeline.generate(other, "What?"); },
                                          [&] { pipeline.features(other, "What?"); }}) {
    test::expect_error(ErrorCode::invalid_argument, "the features have 2 rows, 3 wide", call);
  }
}

}  // namespace
}  // namespace instructblip
