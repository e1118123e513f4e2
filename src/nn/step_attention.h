// Attention of a step by the tables of step_tables.h: by kernels of the device, or as a composition
// that reads every table up to its padded size and hides what is beyond the lengths.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "nn/attention.h"
#include "nn/heads.h"
#include "nn/rows.h"

namespace instructblip::nn {

// queries [R, H, d], keys and values [R, G, d], which are added to the pages first; without them
// the rows look at what the pages hold -> [R, H * d].
at::Tensor attend_step(const Heads& heads, const Rows& rows, std::int64_t layer,
                       const AttentionOptions& options);

}  // namespace instructblip::nn
