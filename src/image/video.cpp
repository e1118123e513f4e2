#include "instructblip/video.h"

#include <algorithm>
#include <numeric>
#include <string>

#include "core/boundary.h"
#include "core/errors.h"
#include "image/python_random.h"

namespace instructblip {
namespace {

constexpr int kMostFrames = 1024;  // looked at of one video

void check_options(std::int64_t total, const VideoOptions& options) {
  const auto refuse = [](const std::string& message, const std::string& hint = {}) {
    throw Error(ErrorCode::invalid_argument, message, hint);
  };
  const int count = options.frames;
  if (count < 1 || count > kMostFrames) {
    refuse("frames is " + std::to_string(count) + ", expected 1 to " + std::to_string(kMostFrames));
  }
  if (options.sampling == FrameSampling::headtail && count % 2 != 0) {
    refuse(
        "frames is " + std::to_string(count) + ", expected an even number with headtail sampling",
        "half of them come from each half of the video");
  }
  if (count <= total) return;
  refuse("the video has " + std::to_string(total) + (total == 1 ? " frame" : " frames") +
             ", expected " + std::to_string(count) + " at least",
         "ask for fewer: VideoOptions::frames, on the command line --frames");
}

// Half of the frames out of each half of the video.
std::vector<std::int64_t> head_and_tail(std::int64_t total, const VideoOptions& options) {
  PythonRandom random(options.seed);
  const std::int64_t half = total / 2;
  std::vector<std::int64_t> places = random.sample(half, options.frames / 2);
  std::vector<std::int64_t> tail = random.sample(total - half, options.frames / 2);
  for (const std::int64_t place : tail) places.push_back(half + place);
  std::ranges::sort(places);
  return places;
}

}  // namespace

Video::Video(std::vector<Image> frames) : frames_(std::move(frames)) {
  at_boundary([&] {
    if (frames_.empty() || std::ranges::any_of(frames_, &Image::empty)) {
      throw Error(ErrorCode::invalid_argument,
                  frames_.empty() ? "the video has no frame, expected one at least"
                                  : "a frame of the video is empty, expected pixels");
    }
    total_ = std::ssize(frames_);
    places_.resize(frames_.size());
    std::iota(places_.begin(), places_.end(), 0);
  });
}

// LAVIS, lavis/datasets/data_utils.py: load_video().
std::vector<std::int64_t> sample_frames(std::int64_t total, const VideoOptions& options) {
  return at_boundary([&] {
    check_options(total, options);
    if (options.sampling == FrameSampling::headtail) return head_and_tail(total, options);
    const double step = static_cast<double>(total) / options.frames;
    std::vector<std::int64_t> places;
    for (int i = 0; i < options.frames; ++i) {
      places.push_back(static_cast<std::int64_t>(i * step));
    }
    return places;
  });
}

}  // namespace instructblip
