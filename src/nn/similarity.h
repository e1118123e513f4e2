// What verdicts about pictures and texts are computed from.
#pragma once

#include <ATen/core/Tensor.h>

#include "nn/runtime.h"

namespace instructblip::nn {

// Rows of length 1: torch.nn.functional.normalize() over the last dimension.
at::Tensor unit_rows(const at::Tensor& x);

// The greatest cosine of each text with a row of a picture: texts [N, S], picture [1, Q, S], all of
// them unit rows -> [1, N].
at::Tensor greatest_cosines(const Runtime& runtime, const at::Tensor& picture,
                            const at::Tensor& texts);

// The mean over the rows of each: [B, Q, n] -> [B, n].
at::Tensor mean_of_rows(const at::Tensor& x);

// softmax over the last dimension.
at::Tensor probabilities(const at::Tensor& logits);

}  // namespace instructblip::nn
