// The decoding loop, turned inside out: it says what the language model is to run next and what of
// the logits it wants to know, so that many answers can share one pass of a model. Knows no torch.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <vector>

#include "config/generation_defaults.h"
#include "decoding/logits.h"
#include "decoding/stops.h"
#include "instructblip/generation.h"

namespace instructblip {

struct DecodeRequest {
  GenerationConfig options;  // from resolve_options(): every value filled
  // End tokens, each once; empty = only the length ends an answer. With beams their number decides
  // how many continuations are looked at.
  std::vector<std::int32_t> stop_ids;
  // What the repetition penalty and n-grams see before the new tokens. Decoder-only: the whole
  // prompt, image placeholders included; T5: the start token.
  std::vector<std::int32_t> prompt_ids;
  BeamScorer beam_scorer = BeamScorer::transformers_4_57;
  bool bad_words_from_first_id = false;  // as TextGenerationDefaults::bad_words_from_first_id
  const StopMatcher* stops = nullptr;    // stop strings; borrowed
  // Whether new tokens have no text. Where it is set, no answer is empty: none ends before its
  // first text, and the last token that there is room for makes some.
  std::function<bool(std::span<const std::int32_t> new_tokens)> is_empty = {};
  // After each step: the new token where one row is decoded greedily or by sampling (the end token
  // included), else -1. What it returns matters only while an answer is incomplete.
  std::function<Flow(std::int32_t id)> on_step = {};
  std::optional<std::chrono::steady_clock::time_point> deadline = {};
  std::stop_token stop = {};
};

struct DecodedSequence {
  std::vector<std::int32_t> tokens;  // new ids; the end token included, nothing after it
  FinishReason finish_reason = FinishReason::length;
  double score = 0;             // as Sequence::score
  std::vector<float> logprobs;  // as Sequence::logprobs
};

// An answer being looked for: greedily, by sampling or with beams. Answers as the reference's
// generate() does: the same ids and, up to rounding, scores; sampling draws from the same
// distribution with generator numbers of its own. Not shared between threads.
class Search {
 public:
  virtual ~Search() = default;

  // What is to be done next. None: the answer is complete, or was cancelled. Asking again changes
  // nothing.
  // Errors: deadline.
  std::optional<Step> next();

  // The logits of the step that next() named.
  // Errors: bad_model (logits that are not finite, the step is named); internal (of another size
  // than promised); invalid_argument (options that leave nothing to choose from).
  void accept(Logits& logits);

  // Best first; never empty. Once, after next() gave none.
  virtual std::vector<DecodedSequence> result() = 0;

 protected:
  // next(), but for the step's number.
  virtual std::optional<Step> propose() = 0;
  // accept(): summaries of the rows of that step, and where the rows are.
  virtual void extend(std::span<const RowSummary> rows, Logits& logits) = 0;

 private:
  Step step_;  // the last that next() named
  int steps_ = 0;
};

// `vocabulary` is the length of a row of logits. Errors: unsupported (a vocabulary too small for
// the beams); invalid_argument (bad_words_ids past the vocabulary, or of end tokens alone).
std::unique_ptr<Search> make_search(DecodeRequest request, std::int64_t vocabulary);

}  // namespace instructblip
