// Times of a device's work as a CUDA graph of many calls, one behind the other.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "nn/device.h"

namespace instructblip::benchmarks {

using Work = std::function<at::Tensor()>;

struct Measured {
  std::string name;
  double us = 0;        // one call takes, the median of several launches
  std::string refused;  // why there is none
};

class DeviceTimer {
 public:
  explicit DeviceTimer(nn::DeviceRuntime& runtime) : runtime_(runtime) {}

  nn::DeviceRuntime& runtime() { return runtime_; }

  // `work` is called so often that waiting for the device once does not count. What it throws is
  // the reason why it is refused. On the runtime's thread, as all that follows.
  Measured time(const std::string& name, const Work& work);
  // Several works by turns, such as the same product of different weights, as one call of each.
  Measured time(const std::string& name, const std::vector<Work>& works);

  // Scaled dot product attention by each of LibTorch's kernels for it.
  struct Heads {
    at::Tensor queries = {}, keys = {}, values = {};  // [batch, heads, rows, width]
    at::Tensor mask = {};                             // added to the scores, or undefined
    bool causal = false;
    bool divided = true;  // by the square root of the width
  };
  std::vector<Measured> time_torch(const Heads& heads);

  // Normally distributed, of the type that rows have.
  at::Tensor noise(at::IntArrayRef size) const;

 private:
  nn::DeviceRuntime& runtime_;
  std::int64_t graphs_ = 0;
};

// An object on a line: what it is, ours, and the others.
void print(const std::string& what, const Measured& ours, const std::vector<Measured>& others);

// Each prints a line for each of its sizes.
void benchmark_attention(DeviceTimer& timer);
void benchmark_step_attention(DeviceTimer& timer);
void benchmark_products(DeviceTimer& timer);

}  // namespace instructblip::benchmarks
