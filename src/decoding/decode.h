// The decoding loop: from a language model's logits to token ids.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <stop_token>
#include <vector>

#include "decoding/language_session.h"
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
  const StopMatcher* stops = nullptr;  // stop strings; borrowed
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

struct DecodeResult {
  std::vector<DecodedSequence> sequences;  // best first; never empty
  double prefill_ms = 0;                   // in LanguageSession::prefill()
};

// Answers as the reference's generate() does: the same ids and, up to rounding, scores; sampling
// draws from the same distribution with generator numbers of its own. Errors: deadline; bad_model
// (logits that are not finite); invalid_argument (options that leave nothing to choose from).
DecodeResult decode(LanguageSession& session, const DecodeRequest& request);

// The probabilities, [vocabulary], that the next token is drawn from after `new_tokens`: softmax of
// the processed logits (with beams: of the processed log probabilities of one hypothesis). For
// comparing them with the reference's, whose draws are of another generator.
std::vector<double> next_token_distribution(std::span<const float> logits,
                                            const DecodeRequest& request,
                                            std::span<const std::int32_t> new_tokens);

}  // namespace instructblip
