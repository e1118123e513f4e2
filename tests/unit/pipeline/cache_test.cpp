// What is kept of a picture, and for whom.
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "instructblip/pipeline.h"
#include "pipeline/lru_cache.h"
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
}

INSTANTIATE_TEST_SUITE_P(Families, CacheTest,
                         testing::Values("t5_2024", "vicuna_2024", "blip2_opt", "llava_hub"),
                         [](const auto& test) { return test.param; });

}  // namespace
}  // namespace instructblip
