// Does this config.json belong to these weights? Asked before any stage is built.
#pragma once

#include <string>

#include "checkpoint/tensor_store.h"
#include "config/model_config.h"
#include "config/retrieval_config.h"

namespace instructblip {

// Throws one Error(bad_model), with a hint, for what is easily mixed up: a language model alone, a
// BLIP-2 or LLaVA checkpoint, the Q-Former of another vision encoder, another size or kind of
// language model; and for a config.json that describes a model far larger than the files. Reads
// shapes only. What it lets pass may still lack tensors: nn::WeightLoader accounts for each.
void check_plausible(const ModelConfig& config, const TensorStore& tensors);
void check_plausible(const RetrievalConfig& config, const TensorStore& tensors);

// A lower bound of the elements that the described model needs. Never overflows.
double estimated_elements(const ModelConfig& config);

}  // namespace instructblip
