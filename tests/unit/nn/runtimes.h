// Runtimes of tests.
#pragma once

#include "nn/runtime.h"

namespace instructblip {

inline constexpr kernels::Tables kNoTables = {.attention = {},
                                              .kv_append = {},
                                              .linear = {},
                                              .norm = {},
                                              .packed_linear = {},
                                              .paged_attention = {}};

// The processor as if it had no kernels: every operation is an ATen composition, as on a device
// without tables.
class ComposingRuntime final : public nn::Runtime {
 public:
  using nn::Runtime::Runtime;

  const kernels::Tables& tables() const override { return kNoTables; }
};

}  // namespace instructblip
