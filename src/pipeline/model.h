// What a loaded checkpoint is made of, and what every call does with it before the batch does the
// rest.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/backend.h"
#include "checkpoint/model_config.h"
#include "image/image_processor.h"
#include "instructblip/pipeline.h"
#include "nn/runtime.h"
#include "pipeline/image_reader.h"
#include "pipeline/prompt.h"
#include "pipeline/stages.h"

namespace instructblip {

class Job;

// What a caller's ImageFeatures hold.
struct EncodedPictures final : ImageFeatures::Impl {
  std::vector<EncodedPicture> pictures;  // one at least
  Compat compat = Compat::hf;            // whose vision encoder has seen them

  std::vector<PictureSize> sizes() const;

  std::int64_t images() const override { return std::ssize(pictures); }
  std::int64_t positions() const override { return pictures.front().rows.size(1); }
  std::int64_t width() const override { return pictures.front().rows.size(2); }
  void save(const std::filesystem::path& file) const override;
};

// Nobody else makes such features.
inline const EncodedPictures& encoded(const ImageFeatures& features) {
  return static_cast<const EncodedPictures&>(features.impl());
}

// The tensor `pictures` [n, 3], height, width and views of each, which features of models with
// tiles have; none where every picture has one view.
std::optional<NamedTensor> to_named(std::span<const PictureSize> sizes,
                                    std::span<const std::int64_t> views);

// The tensor that marks features as LAVIS's; none for transformers'.
std::optional<NamedTensor> to_named(Compat compat);

struct Model {
  ModelInfo info;
  TextGenerationDefaults generation_defaults;
  ImageProcessor image_processor;
  PromptBuilder prompts;
  std::unique_ptr<nn::Runtime> runtime;
  std::unique_ptr<const Stages> stages;  // null where load() left the weights alone
  std::unique_ptr<ImageReader> reader;   // null where there are no stages
  // What limits the positions of the language model, for messages.
  std::string positions_limit = "as many as the language model has";

  // Throws Error(invalid_argument) where there are none.
  const Stages& loaded() const;

  std::vector<at::Tensor> pixels(std::span<const Image> images) const;  // each [T, 3, H, W]
  std::vector<PictureSize> sizes(std::span<const Image> images) const;
  // Runs the vision encoder, or finds in the cache what it made.
  EncodedPictures encode(std::span<const Image> images) const;
  // Bytes of the pixels that a job of this request holds.
  std::int64_t pixel_bytes(const Request& request) const;
  // Rows [B, Q, D] of all views of `pictures` -> [1, R, L].
  at::Tensor project(const at::Tensor& rows, std::span<const PictureSize> pictures) const;
  at::Tensor embed(const Prompt& prompt, const at::Tensor& prefix) const;  // [1, P, L]

  // What is wanted of pictures.
  struct Asked {
    std::string_view instruction;
    GenerationConfig options = {};
    std::vector<std::vector<std::int32_t>> candidates = {};  // to be scored; none: to be generated
  };
  // A request, checked and with every default filled in before any stage runs.
  struct Question {
    Prompt prompt;
    std::vector<std::int32_t> history;  // what stands before the first new token
    GenerationConfig options;
    std::vector<std::vector<std::int32_t>> candidates;
  };
  // With every candidate behind the prompt, too.
  void check_positions(const Question& question) const;
  Question question(Asked asked, std::vector<PictureSize> pictures) const;
  // Throws Error(invalid_argument) for features of another vision encoder.
  void check_made_for_model(const EncodedPictures& features) const;
  // Requests become jobs: checked, their pictures resized. Errors: as Pipeline::generate().
  std::shared_ptr<Job> job(std::span<const Image> images, Asked asked, const Control& control,
                           std::size_t number = 0) const;
  std::shared_ptr<Job> job(const EncodedPictures& features, Asked asked, const Control& control,
                           std::size_t number = 0) const;
  std::shared_ptr<Job> job(const Request& request, const Control& control,
                           std::size_t number) const;
};

}  // namespace instructblip
