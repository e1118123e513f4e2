// What a caller's ImageFeatures hold.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <vector>

#include "api/backend.h"
#include "instructblip/pictures.h"
#include "pipeline/image_reader.h"

namespace instructblip {

struct EncodedPictures final : ImageFeatures::Impl {
  std::vector<EncodedPicture> pictures;  // one at least
  Compat compat = Compat::hf;            // whose vision encoder has encoded them
  bool is_video = false;                 // whether they are the frames of one

  std::vector<PictureSize> sizes() const;
  at::Tensor rows() const;  // [views of all, P, V], in the host's memory

  std::int64_t images() const override { return std::ssize(pictures); }
  std::int64_t positions() const override { return pictures.front().rows.size(1); }
  std::int64_t width() const override { return pictures.front().rows.size(2); }
  void save(const std::filesystem::path& file) const override;
};

// Nobody else makes such features.
inline const EncodedPictures& encoded(const ImageFeatures& features) {
  return static_cast<const EncodedPictures&>(features.impl());
}

// As ImageFeatures::load().
ImageFeatures load_features(const std::filesystem::path& file);

// The tensor `pictures` [n, 3], height, width and views of each, which features of models with
// tiles have; none where every picture has one view.
std::optional<NamedTensor> to_named(std::span<const PictureSize> sizes,
                                    std::span<const std::int64_t> views);

// The tensor that marks features as LAVIS's; none for transformers'.
std::optional<NamedTensor> to_named(Compat compat);

// The tensor that marks features as the frames of a video; none for pictures.
std::optional<NamedTensor> video_mark(bool is_video);

}  // namespace instructblip
