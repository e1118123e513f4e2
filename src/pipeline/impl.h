// What a pipeline holds.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/model_config.h"
#include "image/image_processor.h"
#include "instructblip/pipeline.h"
#include "nn/compute_thread.h"
#include "pipeline/prompt.h"
#include "pipeline/stages.h"

namespace instructblip {

struct ImageFeatures::Impl {
  at::Tensor visual;    // [B, P, V], B pictures
  double image_ms = 0;  // spent on making it
  double vision_ms = 0;
};

struct Pipeline::Impl {
  ModelInfo info;
  TextGenerationDefaults generation_defaults;
  ImageProcessor image_processor;
  PromptBuilder prompts;
  std::unique_ptr<nn::ComputeThread> compute;
  std::unique_ptr<const Stages> stages;  // null where load() left the weights alone

  // Throws Error(invalid_argument) where there are none.
  const Stages& model() const;

  at::Tensor pixels(std::span<const Image> images) const;           // [B, 3, H, W]
  ImageFeatures::Impl encode(std::span<const Image> images) const;  // pixels and vision, timed
  // What the queries make of `visual` [B, P, V], [B, Q, D]; `visual` itself without a Q-Former.
  at::Tensor read_image(const Instruction& instruction, const at::Tensor& visual) const;
  at::Tensor project(const at::Tensor& rows) const;                        // [1, B Q, L]
  at::Tensor embed(const Prompt& prompt, const at::Tensor& prefix) const;  // [1, P, L]

  // A request, checked and with every default filled in before any stage runs.
  struct Question {
    Prompt prompt;
    std::vector<std::int32_t> history;  // what stands before the first new token
    GenerationConfig options;
  };
  void check_positions(const Prompt& prompt) const;
  Question question(std::string_view instruction, std::int64_t pictures,
                    const GenerationConfig& asked) const;
  Generation answer(const ImageFeatures::Impl& features, const Question& question,
                    const Control& control) const;
};

}  // namespace instructblip
