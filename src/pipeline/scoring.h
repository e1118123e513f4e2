// How likely given answers are, about one picture or many.
#pragma once

#include <span>
#include <string>

#include "instructblip/pipeline.h"
#include "pipeline/model_parts.h"

namespace instructblip {

// As Pipeline::score().
Scores score_answers(const ModelParts& model, const Request& request,
                     std::span<const std::string> answers, const ScoreOptions& options,
                     const Control& control);

// As Pipeline::score_matrix().
ScoreMatrix make_score_matrix(const ModelParts& model, std::span<const Pictures> pictures,
                              std::span<const std::string> texts, const MatrixOptions& options,
                              const Control& control);

// A scored answer as callers get it.
ScoredAnswer to_scored(Sequence sequence, const PromptBuilder& prompts);

}  // namespace instructblip
