// Stages that a device launches from a record.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

#include "nn/runtime.h"

namespace instructblip::nn {

using Tensors = std::vector<at::Tensor>;

// What `compute` makes of tensors where the runtime has its own. A device that records launches
// does so as Runtime::replay() says, the inputs being copied to where the record reads them: what
// `compute` does may depend on nothing but `key`, which no other stage has, and the inputs' sizes.
// The result is the caller's alone.
at::Tensor replayed(const Runtime& runtime, StepKey key, const Tensors& inputs,
                    const std::function<at::Tensor(const Tensors& inputs)>& compute);

}  // namespace instructblip::nn
