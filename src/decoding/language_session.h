// What decoding needs of a language model; the pipeline adapts a model to it. Knows no torch.
#pragma once

#include <cstdint>
#include <span>

namespace instructblip {

// One prompt being continued along `rows` hypotheses. Owns the caches. Not shared between threads.
class LanguageSession {
 public:
  virtual ~LanguageSession() = default;

  // Rows of the language model's head; every row of logits has this length.
  virtual std::int64_t vocabulary() const = 0;

  // Logits [1, vocabulary] after the prompt. Valid until the next call.
  virtual std::span<const float> prefill() = 0;

  // Row r continues old row sources[r] (all 0 in the first call: every hypothesis starts from the
  // prompt) with tokens[r]. Returns logits [rows, vocabulary], valid until the next call. The
  // number of rows may change between calls; cached keys and values are shared, never copied per
  // hypothesis.
  virtual std::span<const float> step(std::span<const std::int32_t> sources,
                                      std::span<const std::int32_t> tokens) = 0;
};

}  // namespace instructblip
