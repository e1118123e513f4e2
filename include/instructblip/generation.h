/// What to generate, and what came out. Names and meanings are those of transformers' generate().
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "instructblip/export.h"

namespace instructblip {

enum class EarlyStopping {
  no,     ///< stop when a running beam, at its present length, can no longer win
  yes,    ///< stop as soon as num_beams answers are complete
  never,  ///< stop when a running beam can no longer win at any length
};

/// How an answer is chosen. An option left empty takes the value that text_config in config.json
/// gives it, else the default named here: greedy search, at most 256 new tokens.
///
/// The picture and the instruction are never counted by min_new_tokens and max_new_tokens.
struct GenerationConfig {
  std::optional<int> max_new_tokens = {};        ///< 1 to 4096; default 256
  std::optional<int> min_new_tokens = {};        ///< 0 to max_new_tokens; default 0
  std::optional<int> num_beams = {};             ///< 1 to 64; default 1, greedy
  std::optional<int> num_return_sequences = {};  ///< default 1; at most num_beams without sampling
  /// Exponent on the length that divides a beam's score; default 1.
  std::optional<double> length_penalty = {};
  std::optional<EarlyStopping> early_stopping = {};  ///< default no
  /// > 0; over prompt and answer for LLaMA, over the answer for T5; default 1.
  std::optional<double> repetition_penalty = {};
  std::optional<int> no_repeat_ngram_size = {};  ///< 0 = off, the default
  std::optional<bool> do_sample = {};            ///< draw instead of taking the best; default false
  std::optional<double> temperature = {};        ///< > 0; default 1
  std::optional<int> top_k = {};                 ///< 0 = off; default 50, as in transformers
  std::optional<double> top_p = {};              ///< (0, 1]; default 1, off
  /// 0 to 1: a token is drawn only if it is at least so many times as likely as the likeliest;
  /// default 0, off.
  std::optional<double> min_p = {};
  std::optional<double> typical_p = {};  ///< (0, 1]; default 1, off
  std::optional<std::uint64_t> seed =
      {};  ///< seed of the draws; default: chosen at random and reported

  /// Runs of token ids that no answer may complete; a run of several ids may begin in the prompt,
  /// as the reference has it. A run that is an end token alone is passed over. An empty list: none,
  /// whatever the model's files say.
  std::optional<std::vector<std::vector<std::int32_t>>> bad_words_ids = {};
  /// Token ids that no answer may hold; ids without a row in the vocabulary have no effect.
  std::optional<std::vector<std::int32_t>> suppress_tokens = {};
  std::optional<std::vector<std::int32_t>> begin_suppress_tokens = {};  ///< none may come first
  /// Id of the first new token, where a single id precedes it (T5); -1: any.
  std::optional<std::int32_t> forced_bos_token_id = {};
  /// Ids of which one is the last token that max_new_tokens leaves room for; empty: any.
  std::optional<std::vector<std::int32_t>> forced_eos_token_id = {};
  /// Banned tokens get the lowest finite score in the place of minus infinity; default false.
  std::optional<bool> remove_invalid_values = {};
  /// Scores become log probabilities once more after everything that changes them; default false.
  std::optional<bool> renormalize_logits = {};
  /// Seconds after which the answer ends with the tokens that it has, marked as cancelled; at least
  /// one token comes. Default: none.
  std::optional<double> max_time = {};

  /// The answer ends before the first of these strings, without white space at its end; UTF-8, at
  /// most 16 of 256 bytes each.
  std::vector<std::string> stop = {};
  /// Stop at the tokenizer's end token as well where text_config names another one.
  bool stop_at_tokenizer_eos = false;
  /// Fill Sequence::logprobs.
  bool logprobs = false;
};

/// Throws Error(invalid_argument) that names every option out of range and every pair that
/// contradicts itself, as far as that shows without a model: generate() does it too, but only once
/// a model is loaded.
INSTRUCTBLIP_API void validate(const GenerationConfig& config);

enum class FinishReason {
  stop,       ///< an end token, a stop string, or Flow::stop
  length,     ///< max_new_tokens
  cancelled,  ///< Flow::cancel or the stop token
};

/// The enumerator's name.
INSTRUCTBLIP_API std::string_view to_string(FinishReason reason) noexcept;

/// One answer.
struct Sequence {
  std::string text;  ///< UTF-8, special tokens skipped, cut before a stop string, stripped
  std::vector<std::int32_t> tokens;  ///< new ids only, the end token included where it was produced
  FinishReason finish_reason = FinishReason::length;
  /// Beam search: the sum of (processed) log probabilities over length^length_penalty, the
  /// reference's sequences_scores. Else: the sum of the log-softmax of the raw logits of `tokens`.
  double score = 0;
  /// Log-softmax of the raw logits, one per token; empty unless asked for.
  std::vector<float> logprobs;
};

/// Milliseconds of wall time. Requests that are answered together each count the whole time of the
/// passes that they share.
struct Timings {
  double load = 0;     ///< loading the pipeline, once
  double image = 0;    ///< resize and normalise
  double vision = 0;   ///< 0 where features were given or cached
  double qformer = 0;  ///< Q-Former and projection
  double prefill = 0;  ///< the prompt through the language model, first logits included
  double decode = 0;   ///< every later step
  double total = 0;    ///< the whole call, waiting for other calls included
};

/// The result of a call.
struct Generation {
  std::vector<Sequence> sequences;  ///< num_return_sequences of them, best first; never empty
  int prompt_tokens = 0;   ///< positions of the language model's prompt, image tokens included
  int qformer_tokens = 0;  ///< instruction tokens read by the Q-Former
  /// Tokens of the instruction that were cut off: by Compat::lavis alone, else 0.
  int qformer_tokens_cut = 0, prompt_tokens_cut = 0;
  GenerationConfig options;  ///< every option as it took effect, the seed too
  Timings timings;

  const std::string& text() const { return sequences.front().text; }
  const std::vector<std::int32_t>& tokens() const { return sequences.front().tokens; }
  double score() const { return sequences.front().score; }
  FinishReason finish_reason() const { return sequences.front().finish_reason; }
};

/// What a callback asks generate() to do next.
enum class Flow {
  go,
  stop,    ///< end here and keep the answer as complete
  cancel,  ///< end here; the answer is marked as cancelled
};

/// A step of the decoding loop.
struct TokenEvent {
  /// The new token; -1 for a step of beam search, which has settled on none yet.
  std::int32_t id;
  /// The whole UTF-8 characters that it completes, often empty; valid during the call.
  std::string_view text;
  int request = 0;  ///< index of the request in its batch, from 0
};

/// Called on the thread of generate(), in an Engine on the engine's own, after each step, and once
/// more with id -1 for text that was held back, or for the whole text of a beam search. The pieces
/// concatenated are Sequence::text. What it throws leaves generate(). Where several sequences are
/// sampled, it is called for steps alone (id -1).
using TokenCallback = std::function<Flow(const TokenEvent& event)>;

/// How a call may be watched and ended early.
struct Control {
  TokenCallback on_token = {};
  /// When it passes, generate() throws Error(deadline); checked between steps.
  std::optional<std::chrono::steady_clock::time_point> deadline = {};
  /// When it is requested, generate() returns what it has, marked as cancelled.
  std::stop_token stop = {};
};

}  // namespace instructblip
