// The header of one safetensors file: which tensors it holds, and where. A file is taken for
// hostile until every rule of the format has been checked.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "checkpoint/tensor_store.h"

namespace instructblip {

// The tensors of the file with the content `file`, in the order of their bytes; the spans point
// into `file`. `name` is the file's name for messages. Throws Error(bad_model), or
// Error(unsupported) for an element type that is unknown.
std::vector<TensorEntry> read_safetensors_header(std::span<const std::byte> file,
                                                 const std::string& name);

}  // namespace instructblip
