// Memory for what is converted on its way from a file into a packed matrix.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cstdint>

#include "nn/runtime.h"

namespace instructblip::nn {

// One piece of memory that is used again and again: taken and given back by the megabyte between
// what stays, it would leave holes behind that nothing else fits into, a fourth of a model. Not
// thread-safe.
class ReadingRoom {
 public:
  // Values not set yet, valid until clear(); undefined where what is in use leaves no room.
  at::Tensor take(at::IntArrayRef shape, at::ScalarType type) {
    const std::int64_t bytes =
        c10::multiply_integers(shape) * static_cast<std::int64_t>(c10::elementSize(type));
    if (!memory_.defined() || used_ + bytes > memory_.numel()) {
      if (used_ > 0) return {};
      memory_ = at::Tensor();  // before what takes its place
      memory_ = at::empty({std::max(bytes, kLeast)}, host(at::kByte));
    }
    const at::Tensor room = memory_.narrow(0, used_, bytes).view(type).view(shape);
    used_ += (bytes + kAlignment - 1) / kAlignment * kAlignment;
    return room;
  }
  void clear() { used_ = 0; }

 private:
  static constexpr std::int64_t kLeast = 16 << 20, kAlignment = 64;
  at::Tensor memory_;
  std::int64_t used_ = 0;
};

}  // namespace instructblip::nn
