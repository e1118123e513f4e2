/// What a request is about: pictures, or what the vision encoder has made of them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "instructblip/export.h"
#include "instructblip/image.h"
#include "instructblip/video.h"

namespace instructblip {

/// Output of the vision encoder for one picture or several. It depends on no instruction, so any
/// number of questions can be asked about it. A cheap handle that may outlive its pipeline. It is
/// for pipelines with the same vision encoder: another one of the same sizes cannot be told apart,
/// and would answer about something that it has not seen. Threads: may be used from any thread at
/// once.
class INSTRUCTBLIP_API ImageFeatures {
 public:
  /// Number of pictures, rows of each, and width of a row.
  std::int64_t images() const;
  std::int64_t positions() const;
  std::int64_t width() const;

  /// Writes them as `vision` [images, positions, width], float32, in a safetensors file, whole or
  /// not at all. Where the model cuts pictures into tiles, the first axis counts views, and
  /// `pictures` [images, 3] has height, width and views of each; `video` [1] marks the frames of a
  /// Video. Errors: io.
  void save(const std::filesystem::path& file) const;

  /// Reads what save(), or Pipeline::features() by save_tensors(), has written: the tensor
  /// `vision`. Errors: not_found; bad_model (damaged; without that tensor, or one of another type
  /// or shape, or with numbers that are not finite).
  static ImageFeatures load(const std::filesystem::path& file);

  struct Impl;  ///< internal, and so is what takes or returns one
  explicit ImageFeatures(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  const Impl& impl() const noexcept { return *impl_; }

 private:
  std::shared_ptr<const Impl> impl_;
};

/// The pictures of one request: one, several (the frames of a video in the order of time, or one
/// for each place that the instruction marks), or pictures that were encoded before. Functions take
/// it by implicit conversion:
///
///     pipeline.generate(Image::open("cat.jpg"), "What is this?");
///     pipeline.generate(frames, "What happens?");    // std::vector<Image>
///     pipeline.generate(features, "Where is it?");   // ImageFeatures
///     pipeline.generate(Video::read("talk.mp4"), "What happens?");
///
/// Holds handles: pixels are shared, and those of Image::view() stay borrowed.
class Pictures {
 public:
  /// No pictures; refused.
  Pictures() = default;
  Pictures(Image image) { images_.push_back(std::move(image)); }       // NOLINT: implicit
  Pictures(std::vector<Image> images) : images_(std::move(images)) {}  // NOLINT: implicit
  Pictures(std::span<const Image> images)                              // NOLINT: implicit
      : images_(images.begin(), images.end()) {}
  Pictures(const Video& video)  // NOLINT: implicit
      : images_(video.frames().begin(), video.frames().end()), are_frames_(true) {}
  Pictures(ImageFeatures features) : features_(std::move(features)) {}  // NOLINT: implicit

  /// Empty where features were given.
  std::span<const Image> images() const { return images_; }
  /// Whether a Video was given: InstructBLIP takes several pictures as its frames alone.
  bool are_frames() const { return are_frames_; }
  /// nullopt where pictures were given.
  const std::optional<ImageFeatures>& features() const { return features_; }

 private:
  std::vector<Image> images_;
  std::optional<ImageFeatures> features_;
  bool are_frames_ = false;
};

}  // namespace instructblip
