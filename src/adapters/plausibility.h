// Does this config.json belong to these weights? Asked before any stage is built.
#pragma once

#include <string>

#include "checkpoint/tensor_store.h"
#include "config/model_config.h"
#include "config/retrieval_config.h"

namespace instructblip {

// Throws one Error(bad_model), with a hint, for what is easily mixed up: a language model alone, a
// checkpoint of another family, the Q-Former of another family, another kind of language model.
// Looks at how names begin. What it lets pass may still lack tensors or have them in other shapes:
// nn::WeightLoader accounts for each.
void check_plausible(const ModelConfig& config, const TensorStore& tensors);
void check_plausible(const RetrievalConfig& config, const TensorStore& tensors);

}  // namespace instructblip
