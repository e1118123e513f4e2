#include "instructblip/tasks.h"

#include <utility>

#include "core/boundary.h"

namespace instructblip {
namespace {

// `base` with what `over` sets.
GenerationConfig merged(GenerationConfig base, const GenerationConfig& over) {
  const auto take = [&](auto... members) {
    ((over.*members ? void(base.*members = over.*members) : void()), ...);
  };
  using G = GenerationConfig;
  take(&G::max_new_tokens, &G::min_new_tokens, &G::num_beams, &G::num_return_sequences,
       &G::length_penalty, &G::early_stopping, &G::repetition_penalty, &G::no_repeat_ngram_size,
       &G::do_sample, &G::temperature, &G::top_k, &G::top_p, &G::min_p, &G::typical_p, &G::seed,
       &G::bad_words_ids, &G::suppress_tokens, &G::begin_suppress_tokens, &G::forced_bos_token_id,
       &G::forced_eos_token_id, &G::remove_invalid_values, &G::renormalize_logits, &G::max_time);
  base.stop = over.stop;
  base.stop_at_tokenizer_eos = over.stop_at_tokenizer_eos;
  base.logprobs = over.logprobs;
  // A shorter answer was asked for than the preset's shortest.
  if (!over.min_new_tokens && base.max_new_tokens && base.min_new_tokens > base.max_new_tokens) {
    base.min_new_tokens = base.max_new_tokens;
  }
  return base;
}

Request request_of(const Pictures& pictures, std::string_view prompt, const TaskOptions& how,
                   const GenerationConfig& options) {
  return {pictures, with_ocr_tokens(how.ocr_tokens, prompt), merged(options, how.options),
          how.qformer_text};
}

}  // namespace

Request caption_request(const Pictures& pictures, const TaskOptions& how) {
  return at_boundary([&] {
    return request_of(pictures, caption_prompt(how.number.value_or(1)), how,
                      preset(how.preset).caption);
  });
}

Request vqa_request(const Pictures& pictures, std::string_view question, const TaskOptions& how) {
  return at_boundary([&] {
    return request_of(pictures, vqa_prompt(question, how.number.value_or(5)), how,
                      preset(how.preset).vqa);
  });
}

Request question_request(const Pictures& pictures, std::string_view answer,
                         const TaskOptions& how) {
  return at_boundary([&] {
    // A question is a sentence, not an answer of a few words.
    GenerationConfig options = preset(how.preset).caption;
    options.min_new_tokens = 1;
    return request_of(pictures, question_prompt(answer, how.number.value_or(1)), how, options);
  });
}

Generation caption(const Pipeline& pipeline, const Pictures& pictures, const TaskOptions& how,
                   const Control& control) {
  return pipeline.generate(caption_request(pictures, how), control);
}

Generation vqa(const Pipeline& pipeline, const Pictures& pictures, std::string_view question,
               const TaskOptions& how, const Control& control) {
  return pipeline.generate(vqa_request(pictures, question, how), control);
}

Generation generate_question(const Pipeline& pipeline, const Pictures& pictures,
                             std::string_view answer, const TaskOptions& how,
                             const Control& control) {
  return pipeline.generate(question_request(pictures, answer, how), control);
}

}  // namespace instructblip
