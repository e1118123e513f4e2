#include "pipeline/job.h"

#include <algorithm>
#include <string>
#include <utility>

#include "core/boundary.h"
#include "decoding/candidate_scoring.h"

namespace instructblip {
namespace {

Sequence to_sequence(DecodedSequence decoded, const Tokenizer& tokenizer,
                     const std::vector<std::string>& stops) {
  TextStream stream(tokenizer, stops);
  Sequence sequence;
  for (const std::int32_t id : decoded.tokens) sequence.text += stream.put(id);
  sequence.text += stream.finish();
  sequence.tokens = std::move(decoded.tokens);
  sequence.finish_reason = decoded.finish_reason;
  sequence.score = decoded.score;
  sequence.logprobs = std::move(decoded.logprobs);
  return sequence;
}

}  // namespace

Job::Job(const ModelParts& model, Prompt prompt, DecodeRequest decoding,
         std::vector<CandidateTokens> candidates, Caller caller)
    : model_(model),
      prompt_(std::move(prompt)),
      options_(decoding.options),
      candidates_(std::move(candidates)),
      caller_(std::move(caller)),
      one_row_(rows() == 1),
      stream_(model.prompts.tokenizer(), options_.stop),
      stops_(options_.stop,
             [&model](std::span<const std::int32_t> tokens) {
               return model.prompts.tokenizer().decode(tokens, /*skip_special_tokens=*/true);
             }),
      search_(search(std::move(decoding))) {}

std::unique_ptr<Search> Job::search(DecodeRequest decoding) {
  if (!options_.stop.empty()) decoding.stops = &stops_;
  decoding.deadline = caller_.control.deadline;
  decoding.stop = caller_.control.stop;
  if (caller_.control.on_token || options_.max_time) {
    decoding.on_step = [this](std::int32_t id) { return tell(id); };
  }
  const std::int64_t vocabulary = model_.loaded().language->vocabulary();
  if (candidates_.empty()) {
    if (model_.info.quantised) decoding.is_empty = empty_answer();
    return make_search(std::move(decoding), vocabulary);
  }
  return make_candidate_scoring(std::move(decoding), candidates_, vocabulary);
}

// Rounded weights may move an end token to the front: what they answer has a text nevertheless.
std::function<bool(std::span<const std::int32_t>)> Job::empty_answer() const {
  return [&tokenizer = model_.prompts.tokenizer(),
          stops = options_.stop](std::span<const std::int32_t> tokens) {
    const auto has_text = [&](std::span<const std::int32_t> some) {
      TextStream stream(tokenizer, stops);
      for (const std::int32_t id : some) {
        if (!stream.put(id).empty()) return true;
      }
      return !stream.finish().empty();
    };
    constexpr std::size_t kFew = 4;  // where nearly every answer has some
    return !has_text(tokens.first(std::min(kFew, tokens.size()))) &&
           (tokens.size() <= kFew || !has_text(tokens));
  };
}

std::size_t Job::rows() const {
  if (!candidates_.empty()) return std::min(candidates_.size(), ScoringLimits{}.rows);
  return static_cast<std::size_t>(std::max(*options_.num_beams, *options_.num_return_sequences));
}

Flow Job::tell(std::int32_t id) {
  Flow flow = Flow::go;
  if (caller_.control.on_token) flow = call_back(id, one_row_ ? stream_.put(id) : "");
  const auto& seconds = options_.max_time;
  const bool late = seconds && watch_.elapsed_ms() > *seconds * 1000;
  return flow == Flow::go && late ? Flow::cancel : flow;
}

Flow Job::call_back(std::int32_t id, const std::string& text) const {
  const int number = static_cast<int>(caller_.number);
  return instructblip::call_back(
      [&] { return caller_.control.on_token({.id = id, .text = text, .request = number}); });
}

bool Job::goes_on() noexcept {
  if (error) return false;
  try {
    step_ = search_->next();
  } catch (...) {
    error = std::current_exception();
  }
  return !error && step_.has_value();
}

void Job::accept() noexcept {
  if (steps_++ == 0) decode_watch_ = {};
  try {
    const std::unique_ptr<Logits> taken = std::exchange(logits, nullptr);
    search_->accept(*taken);
  } catch (...) {
    error = std::current_exception();
  }
}

Generation Job::finish() {
  Generation generation;
  for (DecodedSequence& sequence : search_->result()) {
    generation.sequences.push_back(
        to_sequence(std::move(sequence), model_.prompts.tokenizer(), options_.stop));
  }
  generation.prompt_tokens = static_cast<int>(prompt_.ids.size());
  generation.qformer_tokens = static_cast<int>(prompt_.instruction.qformer.size());
  generation.qformer_tokens_cut = static_cast<int>(prompt_.instruction.qformer_cut);
  generation.prompt_tokens_cut = static_cast<int>(prompt_.instruction.language_cut);
  generation.options = options_;
  if (steps_ > 0) timings.decode = decode_watch_.lap_ms();
  if (caller_.control.on_token && candidates_.empty()) {
    const std::string rest = one_row_ ? stream_.finish() : generation.text();
    if (!rest.empty()) call_back(-1, rest);
  }
  timings.load = model_.info.load_ms;
  timings.total = watch_.lap_ms();
  generation.timings = timings;
  return generation;
}

Generation answer_of(Job& job) {
  if (job.error) std::rethrow_exception(job.error);
  return job.finish();
}

Response to_response(Job& job) {
  Response response;
  try {
    response.generation = at_boundary([&] { return answer_of(job); });
  } catch (const Error& error) {
    response.error = error;
  }
  return response;
}

}  // namespace instructblip
