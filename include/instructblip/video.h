/// Videos: frames picked out of a file, or put together by the caller.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <utility>
#include <vector>

#include "instructblip/export.h"
#include "instructblip/image.h"

namespace instructblip {

/// Which frames of a video are looked at, as LAVIS's load_video() names them.
enum class FrameSampling {
  uniform,   ///< the first frame and others at even distances behind it
  headtail,  ///< drawn at random: half of them from the first half of the video, half from the last
};

/// How frames are picked out of a video.
struct VideoOptions {
  int frames = 4;  ///< 1 to 1024; with headtail an even number; at most as many as there are
  FrameSampling sampling = FrameSampling::uniform;
  std::uint64_t seed = 42;   ///< headtail draws what Python does behind `random.seed(seed)`
  ImageOptions limits = {};  ///< max_pixels and max_side hold for a frame; the rest is not read
};

/// Places of the frames that are looked at in a video of `total`, from 0, rising.
///
/// uniform is `numpy.arange(0, total, total / frames).astype(int)` of LAVIS and of transformers'
/// examples for InstructBLIP-Video, without the frame too many that numpy's rounding adds now and
/// then (of 17 frames it takes 8 for 7); headtail is LAVIS's, `random.sample` of both halves.
/// Errors: invalid_argument (frames out of range, or odd with headtail; fewer frames in all).
INSTRUCTBLIP_API std::vector<std::int64_t> sample_frames(std::int64_t total,
                                                         const VideoOptions& options = {});

/// Frames of a video, in the order of time: what a request of InstructBLIP or InstructBLIP-Video is
/// about. Each goes through vision encoder and Q-Former by itself, and the language model is given
/// their queries one after the other, as in the InstructBLIP paper.
///
///     pipeline.generate(Video::read("talk.mp4"), "What happens?");
///
/// A cheap handle as Image is. Threads: every function may be called from any thread at once.
class INSTRUCTBLIP_API Video {
 public:
  /// Frames that are at hand. Errors: invalid_argument (none, or an empty one).
  explicit Video(std::vector<Image> frames);

  /// Reads a file that FFmpeg reads, through OpenCV: pixels are those of `cv2.VideoCapture`, which
  /// transformers reads videos with, turned to R G B; a video whose file says so is turned upright.
  /// Frames before the last one that is picked are decoded too, since seeking is inexact; the
  /// others are not looked at. The first call loads OpenCV's part for videos. FFmpeg tells of
  /// damage on standard error, unless the variable OPENCV_FFMPEG_LOGLEVEL is -8. Errors:
  /// not_found; unsupported (a build without codecs); bad_image (no video, no frames, fewer than
  /// asked for, damaged, over a limit); out_of_memory; invalid_argument (options).
  static Video read(const std::filesystem::path& file, const VideoOptions& options = {});

  std::span<const Image> frames() const noexcept { return frames_; }
  /// Places of the frames in the file, from 0; of frames that were at hand 0, 1, 2 and so on.
  std::span<const std::int64_t> places() const noexcept { return places_; }
  std::int64_t total() const noexcept { return total_; }  ///< frames of the file, or those at hand
  double frames_per_second() const noexcept { return rate_; }  ///< 0: not known

 private:
  Video(std::vector<Image> frames, std::vector<std::int64_t> places, std::int64_t total,
        double rate)
      : frames_(std::move(frames)), places_(std::move(places)), total_(total), rate_(rate) {}

  std::vector<Image> frames_;
  std::vector<std::int64_t> places_;
  std::int64_t total_ = 0;
  double rate_ = 0;
};

}  // namespace instructblip
