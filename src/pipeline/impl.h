// What a pipeline holds.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
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
  at::Tensor visual;    // [1, P, V]
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

  at::Tensor pixels(const Image& image) const;           // [1, 3, H, W]
  ImageFeatures::Impl encode(const Image& image) const;  // pixels and vision, timed
  at::Tensor read_image(const Instruction& instruction,
                        const at::Tensor& visual) const;                              // [1, Q, D]
  at::Tensor project(const at::Tensor& queries) const;                                // [1, Q, L]
  at::Tensor prompt(const at::Tensor& prefix, const Instruction& instruction) const;  // [1, P, L]

  // A request, checked and with every default filled in before any stage runs.
  struct Question {
    Instruction instruction;
    std::vector<std::int32_t> prompt_ids;  // image tokens and text
    std::vector<std::int32_t> history;     // what stands before the first new token
    GenerationConfig options;
  };
  Question question(std::string_view instruction, const GenerationConfig& asked) const;
  Generation answer(const ImageFeatures::Impl& features, const Question& question,
                    const Control& control) const;
};

}  // namespace instructblip
