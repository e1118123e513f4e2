// The door to OpenCV's videoio, which brings FFmpeg with it: a module of its own, loaded when a
// video is asked for.
#pragma once

#include <cstdint>
#include <memory>

#include "image/opencv_codec.h"

namespace instructblip {

// Reads the frames of a file one after the other.
class FrameReader {
 public:
  FrameReader() = default;
  FrameReader(const FrameReader&) = delete;
  FrameReader& operator=(const FrameReader&) = delete;
  virtual ~FrameReader() = default;

  // What the head of the file says; a total below 1 where it says none.
  struct Head {
    std::int64_t width, height, total;
    double frames_per_second;
  };
  virtual Head head() const noexcept = 0;

  // Passes over a frame; false where there is none, or it cannot be read.
  virtual bool skip() noexcept = 0;
  // The next frame, three channels.
  virtual OpenCvPicture next() noexcept = 0;
};

// Null where FFmpeg does not take the file for a video. Opens the module at the first call; throws
// Error as open_module().
std::unique_ptr<FrameReader> open_video(const char* file);

}  // namespace instructblip

// The module's one function.
extern "C" __attribute__((visibility("default"))) void instructblip_open_video(
    const char* file, std::unique_ptr<instructblip::FrameReader>& reader) noexcept;
