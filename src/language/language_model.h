// What the pipeline needs of a frozen language model, whichever it is.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "config/model_config.h"
#include "language/language_state.h"
#include "nn/step_tables.h"
#include "nn/weights.h"

namespace instructblip {

// S prompts | P positions of a prompt, image tokens included | R hypotheses of a prompt | L hidden
// N rows of the head

struct StepLogits {
  at::Tensor rows;  // [R of all, N]
  // What the step has read, where a device has recorded it; else null. The rows of each state are
  // as many then, or padded to as many.
  std::shared_ptr<const nn::RecordedTables> recorded = nullptr;
};

// Immutable; safe to use from several threads, each with states of its own.
class LanguageModel {
 public:
  virtual ~LanguageModel() = default;

  // The embeddings of text tokens, [1, T, L].
  virtual at::Tensor embed(std::span<const std::int32_t> ids) const = 0;
  // `prompt` [1, P, L]: the visual prefix and the embedded instruction.
  virtual std::unique_ptr<LanguageState> start(at::Tensor prompt) const = 0;
  // Reads prompts, packed: logits [S, N] of the first new token of each. What it throws leaves the
  // states as they were, here and in step().
  virtual at::Tensor prefill(std::span<LanguageState* const> states) const = 0;
  // A token more for every hypothesis of every state, packed.
  virtual StepLogits step(std::span<const LanguageStep> steps) const = 0;
  // The ids that stand before the first new one in the sequence that is being generated: the prompt
  // of a decoder, the start token of an encoder-decoder. Repetition penalties look at them.
  virtual std::vector<std::int32_t> history(std::span<const std::int32_t> prompt) const = 0;
  // Whether a position is read without knowledge of those behind it, so that prompts with the same
  // beginning can share what was read of it; not where an encoder looks both ways.
  virtual bool reads_forward() const { return true; }
  // Rows of the head, the length of a row of logits. The embedding has as many at least: prompt ids
  // may lie beyond.
  virtual std::int64_t vocabulary() const = 0;
  // Width of an embedding, which start() takes.
  virtual std::int64_t width() const = 0;
  // Most positions that a prompt and its continuation take together; nullopt: unlimited.
  virtual std::optional<std::int64_t> max_positions() const { return std::nullopt; }
};

// The language model that the config describes; `weights` at the checkpoint's `language_model`.
std::unique_ptr<const LanguageModel> make_language_model(const nn::Weights& weights,
                                                         const LanguageConfig& config);

}  // namespace instructblip
