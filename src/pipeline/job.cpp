#include "pipeline/job.h"

#include <algorithm>
#include <new>
#include <string>
#include <utility>

#include "decoding/candidate_scoring.h"

namespace instructblip {
namespace {

void add_once(std::vector<std::int32_t>& ids, std::optional<std::int32_t> id) {
  if (id && std::ranges::find(ids, *id) == ids.end()) ids.push_back(*id);
}

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

Job::Job(const Model& model, Model::Question question, const Control& control, std::size_t number)
    : model_(model),
      question_(std::move(question)),
      control_(control),
      number_(static_cast<int>(number)),
      one_row_(rows() == 1),
      stream_(model.prompts.tokenizer(), question_.options.stop),
      stops_(question_.options.stop,
             [&model](std::span<const std::int32_t> tokens) {
               return model.prompts.tokenizer().decode(tokens, /*skip_special_tokens=*/true);
             }),
      search_(search()) {}

std::unique_ptr<Search> Job::search() {
  const std::int64_t vocabulary = model_.loaded().language->vocabulary();
  if (question_.candidates.empty()) return make_search(decode_request(), vocabulary);
  return make_candidate_scoring(decode_request(), question_.candidates, vocabulary);
}

std::size_t Job::rows() const {
  if (!question_.candidates.empty()) return question_.candidates.size();
  return static_cast<std::size_t>(
      std::max(*question_.options.num_beams, *question_.options.num_return_sequences));
}

DecodeRequest Job::decode_request() {
  DecodeRequest request{
      .options = question_.options,
      .stop_ids = model_.info.stop_tokens,
      .prompt_ids = question_.history,
      .beam_scorer = model_.generation_defaults.beam_scorer,
      .bad_words_from_first_id = model_.generation_defaults.bad_words_from_first_id};
  if (request.options.stop_at_tokenizer_eos) {
    add_once(request.stop_ids, model_.prompts.tokenizer().eos());
  }
  if (!request.options.stop.empty()) request.stops = &stops_;
  request.deadline = control_.deadline;
  request.stop = control_.stop;
  if (control_.on_token || request.options.max_time) {
    request.on_step = [this](std::int32_t id) { return tell(id); };
  }
  return request;
}

Flow Job::tell(std::int32_t id) {
  Flow flow = Flow::go;
  if (control_.on_token) {
    const std::string piece = one_row_ ? stream_.put(id) : "";
    flow = control_.on_token({.id = id, .text = piece, .request = number_});
  }
  const auto& seconds = question_.options.max_time;
  const bool late = seconds && watch_.elapsed_ms() > *seconds * 1000;
  return flow == Flow::go && late ? Flow::cancel : flow;
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
    const at::Tensor taken = std::exchange(logits, at::Tensor());
    HostLogits host({taken.const_data_ptr<float>(), static_cast<std::size_t>(taken.numel())},
                    static_cast<std::size_t>(model_.loaded().language->vocabulary()));
    search_->accept(host);
  } catch (...) {
    error = std::current_exception();
  }
}

Generation Job::finish() {
  Generation generation;
  for (DecodedSequence& sequence : search_->result()) {
    generation.sequences.push_back(
        to_sequence(std::move(sequence), model_.prompts.tokenizer(), question_.options.stop));
  }
  generation.prompt_tokens = static_cast<int>(question_.prompt.ids.size());
  generation.qformer_tokens = static_cast<int>(question_.prompt.instruction.qformer.size());
  generation.qformer_tokens_cut = static_cast<int>(question_.prompt.instruction.qformer_cut);
  generation.prompt_tokens_cut = static_cast<int>(question_.prompt.instruction.language_cut);
  generation.options = question_.options;
  if (steps_ > 0) timings.decode = decode_watch_.lap_ms();
  if (control_.on_token && question_.candidates.empty()) {
    const std::string rest = one_row_ ? stream_.finish() : generation.text();
    if (!rest.empty()) control_.on_token({.id = -1, .text = rest, .request = number_});
  }
  timings.load = model_.info.load_ms;
  timings.total = watch_.lap_ms();
  generation.timings = timings;
  return generation;
}

Response to_response(Job& job) {
  Response response;
  try {
    if (job.error) std::rethrow_exception(job.error);
    response.generation = job.finish();
  } catch (const Error& error) {
    response.error = error;
  } catch (const std::bad_alloc&) {
    response.error = Error(ErrorCode::out_of_memory, "out of memory");
  }
  return response;
}

}  // namespace instructblip
