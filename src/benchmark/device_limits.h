// What a device does at best, found out in the process whose stages are measured.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "instructblip/benchmark.h"
#include "nn/runtime.h"

namespace instructblip {

// Waits until a device has made a tensor of one element at least: one number of it is copied to the
// host. On the runtime's thread.
void wait_for(const at::Tensor& made);

// As sample_limits(), on the runtime's device: copies `bytes` there, and multiplies square matrices
// of the type of its rows.
void sample_device_limits(BenchmarkLimits& limits, nn::Runtime& runtime, std::int64_t bytes);

}  // namespace instructblip
