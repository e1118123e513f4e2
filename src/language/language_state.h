// What a language model remembers of a prompt that it continues.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "nn/kv_cache.h"

namespace instructblip {

// Keys and values of an encoder's output for one decoder block, computed once for all steps and
// hypotheses.
struct CrossMemory {
  at::Tensor keys, values;  // [1, H, P, d]
};

// Of one prompt. Made by LanguageModel::start(), moved on by the model that made it and by no
// other. Not shared between threads.
struct LanguageState {
  LanguageState(at::Tensor rows, std::int64_t layers) : prompt(std::move(rows)), cache(layers) {}

  at::Tensor prompt;  // [1, P, L]; dropped once it has been read
  nn::KvCache cache;
  std::vector<CrossMemory> memories;  // of the decoder's blocks, where there is an encoder
};

// One position more for the hypotheses of one prompt.
struct LanguageStep {
  LanguageState* state;
  // Row r continues row sources[r] of the step before (0 after the prompt) with tokens[r].
  std::span<const std::int32_t> sources, tokens;
};

}  // namespace instructblip
