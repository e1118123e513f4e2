// What a matcher and its encodings hold.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "checkpoint/model_config.h"
#include "image/image_processor.h"
#include "instructblip/retrieval.h"
#include "nn/compute_thread.h"
#include "retrieval/stages.h"
#include "text/tokenizer.h"

namespace instructblip {

struct ImageEncoding::Impl {
  at::Tensor visual;    // [1, P, V]
  at::Tensor embedded;  // [1, Q, S], contiguous
};

struct TextEncoding::Impl {
  std::vector<std::int32_t> tokens;
  at::Tensor embedded;  // [1, S], contiguous
};

struct ImageTextMatcher::Impl {
  ModelInfo info;
  ImageProcessor image_processor;
  std::unique_ptr<const Tokenizer> tokenizer;
  std::optional<TokenLimit> text_limit;
  std::int64_t max_tokens;
  std::unique_ptr<nn::ComputeThread> compute;
  std::unique_ptr<const RetrievalStages> stages;  // null where load() left the weights alone

  // Throws Error(invalid_argument) where there are none.
  const RetrievalStages& model() const;

  std::vector<std::int32_t> read(std::string_view text) const;
  at::Tensor see(const Image& image) const;  // [1, P, V]
  Match match(const at::Tensor& visual, std::span<const std::int32_t> text) const;
  // Throws Error(invalid_argument) for encodings of another model, where their sizes tell.
  void check(const ImageEncoding::Impl& image) const;
  void check(const TextEncoding::Impl& text) const;
};

}  // namespace instructblip
