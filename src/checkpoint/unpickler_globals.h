// The global names that a pickle may use.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "core/dtype.h"

namespace instructblip {

// What a name stands for.
enum class Function {
  dictionary,
  rebuild_tensor,
  rebuild_tensor_of_type,  // with untyped storage
  rebuild_parameter,
  rebuild_from_type,  // any of these, as a class of tensors
  storage_type,
  element_type,
  inert,  // plain values beside the weights: whatever it is called with, nobody looks at it
};

struct KnownGlobal {
  std::string_view module, name;
  Function function;
  DType dtype = DType::f32;  // type of a storage or an element
};

// An index for known_global(); none for a name that is not known.
std::optional<std::size_t> find_global(std::string_view module, std::string_view name);
const KnownGlobal& known_global(std::size_t index);

}  // namespace instructblip
