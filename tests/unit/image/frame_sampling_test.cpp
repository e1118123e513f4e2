// Which frames of a video are looked at, and videos made of frames.
#include <gtest/gtest.h>

#include "image/python_random.h"
#include "instructblip/video.h"
#include "support/expect_error.h"

namespace instructblip::test {
namespace {

using Places = std::vector<std::int64_t>;

Places headtail(std::int64_t total, int frames, std::uint64_t seed) {
  return sample_frames(
      total, {.frames = frames, .sampling = FrameSampling::headtail, .seed = seed, .limits = {}});
}

// numpy.arange(0, total, total / frames).astype(int), NumPy 2.3.
TEST(FrameSampling, UniformIsThatOfNumpy) {
  EXPECT_EQ(sample_frames(100), (Places{0, 25, 50, 75}));
  EXPECT_EQ(sample_frames(101), (Places{0, 25, 50, 75}));
  EXPECT_EQ(sample_frames(103, {.frames = 8}), (Places{0, 12, 25, 38, 51, 64, 77, 90}));
  EXPECT_EQ(sample_frames(4), (Places{0, 1, 2, 3}));
  EXPECT_EQ(sample_frames(1, {.frames = 1}), (Places{0}));
  // NumPy has an eighth one, 17, which does not exist.
  EXPECT_EQ(sample_frames(17, {.frames = 7}), (Places{0, 2, 4, 7, 9, 12, 14}));
}

// random.seed(s), then LAVIS's lines for headtail, CPython 3.11.
TEST(FrameSampling, HeadtailIsThatOfPythonBehindASeed) {
  EXPECT_EQ(headtail(101, 4, 42), (Places{7, 40, 51, 97}));
  EXPECT_EQ(headtail(1001, 16, 7),
            (Places{24, 37, 77, 165, 202, 333, 420, 485, 529, 548, 609, 687, 759, 774, 798, 965}));
}

TEST(FrameSampling, DrawsAreThoseOfPython) {
  PythonRandom random((1ULL << 40) + 5);  // a seed of two words
  EXPECT_EQ(random.sample(21, 5), (Places{16, 20, 8, 0, 19}));
  EXPECT_EQ(random.sample(22, 5), (Places{1, 5, 2, 4, 7}));
  EXPECT_EQ(random.sample(1'000'000, 3), (Places{973909, 685254, 720075}));
}

TEST(FrameSampling, WrongNumbersAreNamed) {
  expect_error(ErrorCode::invalid_argument, "frames is 0, expected 1 to 1024",
               [] { sample_frames(9, {.frames = 0}); });
  expect_error(ErrorCode::invalid_argument, "the video has 3 frames, expected 4 at least",
               [] { sample_frames(3); });
  expect_error(ErrorCode::invalid_argument, "expected an even number with headtail",
               [] { headtail(9, 3, 1); });
}

TEST(Video, OfFramesAtHand) {
  const std::vector<std::uint8_t> grey(12, 128);
  const Video video({Image::adopt(grey, 2, 2), Image::adopt(grey, 4, 1)});
  EXPECT_EQ(video.frames().size(), 2u);
  EXPECT_EQ(video.total(), 2);
  EXPECT_EQ(Places(video.places().begin(), video.places().end()), (Places{0, 1}));
  expect_error(ErrorCode::invalid_argument, "no frame", [] { Video(std::vector<Image>()); });
  expect_error(ErrorCode::invalid_argument, "is empty", [] { Video({Image()}); });
}

}  // namespace
}  // namespace instructblip::test
