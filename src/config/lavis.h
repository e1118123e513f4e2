// What LAVIS does otherwise than transformers with the same weights: Salesforce's LAVIS at commit
// 506965b with transformers 4.33.2, as load_model(..., device="cpu") leaves its models. All of it
// is settled here, in configs; nothing below asks whom it follows.
#pragma once

#include "config/image_config.h"
#include "config/model_config.h"
#include "config/retrieval_config.h"
#include "instructblip/checkpoint.h"

namespace instructblip {

// Throws Error(unsupported) for a family that LAVIS does not have.
void follow_lavis(ModelConfig& config);
void follow_lavis(RetrievalConfig& config);
// lavis/processors: blip_image_eval or, for Geometry::crop, clip_image_eval.
void follow_lavis(ImageConfig& config, Geometry geometry);

}  // namespace instructblip
