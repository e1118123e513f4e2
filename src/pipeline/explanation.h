// What an answer rests on.
#pragma once

#include "instructblip/explain.h"
#include "pipeline/model_parts.h"

namespace instructblip {

// As explain().
Explanation explain_answer(const ModelParts& model, const Request& request,
                           const ExplainOptions& options, const Control& control);

}  // namespace instructblip
