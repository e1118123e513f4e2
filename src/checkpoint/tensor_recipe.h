// A weight that is not stored as it is used: what has to be done to what is stored.
#pragma once

#include <optional>
#include <vector>

#include "checkpoint/tensor_store.h"

namespace instructblip {

// A LoRA change: W + scale * (B A), and with a magnitude (DoRA) the rows of that brought to it.
struct LowRankChange {
  TensorEntry a;  // [r, ...], of which all but the first axis are taken as one
  TensorEntry b;  // [m, r, ...]
  double scale = 1;
  bool transposed = false;               // the change is (B A)^T: fan_in_fan_out, embeddings
  std::optional<TensorEntry> magnitude;  // [m]
};

// Every value is computed in float32, in the order in which peft merges.
struct TensorRecipe {
  // As stored. Where it has fewer rows than the tensor, those behind it are its mean row.
  TensorEntry base;
  std::vector<LowRankChange> changes;  // each onto what the one before has left
};

}  // namespace instructblip
