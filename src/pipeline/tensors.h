// Between the caller's pictures and numbers and the tensors of the stages.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "image/image_processor.h"
#include "instructblip/pipeline.h"
#include "kernels/queue.h"

namespace instructblip {

// The bytes of a picture that the vision encoder is shown, in the host's memory: [T, H, W, 3]
// uint8, T views of it, itself and its tiles. `queue` shares out the work. Throws Error as
// ImageProcessor::bytes().
at::Tensor to_views(const ImageProcessor& processor, const Image& image, kernels::Queue& queue);

// Numbers that are not finite would become words further on: throws Error(bad_model).
at::Tensor finite(at::Tensor x, const std::string& stage);

// A copy of `tensor`, float32.
NamedTensor to_named(std::string name, const at::Tensor& tensor);

}  // namespace instructblip
