// What a language model remembers of a prompt that it continues.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <utility>

#include "nn/kv_cache.h"

namespace instructblip {

// The state of one prompt. Made by LanguageModel::start(), moved on by the model that made it,
// which must outlive it, and by no other. Not shared between threads.
struct LanguageState {
  LanguageState(at::Tensor rows, const nn::KvPool& pool)
      : prompt(std::move(rows)), cache(pool), memory(pool) {}

  at::Tensor prompt;   // [1, P, L]; dropped once it has been read
  nn::KvCache cache;   // cache of the decoder's self-attention
  nn::KvCache memory;  // keys and values of an encoder's output, where there is an encoder
};

// One position more for the hypotheses of one prompt.
struct LanguageStep {
  LanguageState* state;
  // Row r continues row sources[r] of the step before (0 after the prompt) with tokens[r].
  std::span<const std::int32_t> sources, tokens;
};

}  // namespace instructblip
