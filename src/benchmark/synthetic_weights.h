// Weights that nobody has trained, at the sizes of a config.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <stop_token>
#include <vector>

#include "checkpoint/tensor_store.h"
#include "config/model_config.h"
#include "core/dtype.h"
#include "nn/weights.h"
#include "vision/vision_encoder.h"

namespace instructblip {

// What a checkpoint of this config would have to hold.
std::vector<nn::RequestedTensor> tensors_of(const ModelConfig& config,
                                            const VisionEncoder::PixelSize& pixels);

// In what weights are made: all but vectors, which are float32, as `stored`, which is f32, f16 or
// bf16; where there is a choice, matrices as it has it, those of 8 and 4 bits too.
struct MadeAs {
  DType stored = DType::f32;
  nn::ChooseFormat choose = {};
  std::stop_token stop = {};  // once it is asked, what has not been made is left as it is
};

// The bytes of all of them.
std::int64_t bytes_of(std::span<const nn::RequestedTensor> tensors, const MadeAs& as);

// A store in memory, filled by so many threads: norms that change nothing, elsewhere numbers of
// both signs of about 1 / sqrt(columns) of a matrix, so that what goes in and what comes out are of
// one size, whatever the depth. The same numbers each time. It is for one model: matrices that are
// packed as they are read are given back, as a file's pages are, and so are in memory once. Throws
// Error(out_of_memory) before it takes more than the machine has, and Error(invalid_argument) where
// the system does not start so many threads.
std::shared_ptr<const TensorStore> synthetic_weights(std::span<const nn::RequestedTensor> tensors,
                                                     const MadeAs& as, int threads);

}  // namespace instructblip
