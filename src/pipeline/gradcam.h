// What an answer rests on, by gradients.
#pragma once

#include <span>
#include <vector>

#include "pipeline/job.h"

namespace instructblip {

// Throws Error(unsupported) where gradients are not computed of this model: on a device, with
// packed weights, or too large.
void check_gradients(const ModelParts& model);

// As Explanation::gradcam: [tokens, pictures, cross layers, queries, positions]. Runs on the
// runtime. Throws Error(cancelled) where `control` says so.
std::vector<float> gradcam(const ModelParts& model, const Prompt& prompt,
                           std::span<const EncodedPicture> pictures, const CandidateTokens& tokens,
                           const Control& control);

}  // namespace instructblip
