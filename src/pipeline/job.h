// A request on its way to an answer: checked, and with what the stages have made of it so far.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/stopwatch.h"
#include "decoding/search.h"
#include "instructblip/generation.h"
#include "instructblip/pipeline.h"
#include "language/language_state.h"
#include "pipeline/image_reader.h"
#include "pipeline/model_parts.h"
#include "pipeline/prompt.h"
#include "pipeline/text_stream.h"

namespace instructblip {

using CandidateTokens = std::vector<std::int32_t>;

// Who waits for the answer.
struct Caller {
  Control control = {};
  std::size_t number = 0;  // place of the request in its batch, for the callback
};

class Job {
 public:
  // `model` must outlive the job. With candidates these are scored; else an answer is searched.
  Job(const ModelParts& model, Prompt prompt, DecodeRequest decoding,
      std::vector<CandidateTokens> candidates, Caller caller);
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;

  // What the stages make of it, in their order; dropped as soon as nobody needs it any more.
  std::vector<at::Tensor> views;         // one per picture, [T, H, W, 3]; none: features were given
  std::vector<EncodedPicture> pictures;  // behind the vision encoder
  at::Tensor queries;                    // [B, Q, D]
  at::Tensor prefix;                     // [1, R, L], rows of the prompt
  std::unique_ptr<LanguageState> state;  // from the embedded prompt on
  std::unique_ptr<Logits> logits;        // logits of the last pass
  // The pass that was last launched ahead for it, by its number, and its place there.
  struct Ahead {
    std::uint64_t pass = 0;
    std::size_t place = 0;
  } ahead;
  Timings timings;
  std::exception_ptr error;  // set: it has failed and is not to go on
  // Is shown what a stage makes, by its name in Pipeline::features(), where that is asked for.
  std::function<void(const char* name, const at::Tensor& output)> on_stage;

  void show(const char* name, const at::Tensor& output) const {
    if (on_stage) on_stage(name, output);
  }

  const Prompt& prompt() const { return prompt_; }
  // Hypotheses that it is decoded along: rows of a step.
  std::size_t rows() const;
  // Rows of its prompt in the language model.
  std::size_t prompt_rows() const { return prompt_.ids.size(); }
  bool has_begun() const { return steps_ > 0; }  // the prompt has been read

  // Whether there is another step(); sets `error` where Search::next() throws.
  bool goes_on() noexcept;
  const Step& step() const { return *step_; }
  // The logits of that step have come. Sets `error` where Search::accept() or the callback throws.
  void accept() noexcept;

  // Once, when it does not go on. Tells the callback what was held back.
  Generation finish();

 private:
  Flow tell(std::int32_t id);  // tells whoever watches about a step
  Flow call_back(std::int32_t id, const std::string& text) const;
  std::unique_ptr<Search> search(DecodeRequest decoding);
  // Whether new tokens have no text.
  std::function<bool(std::span<const std::int32_t>)> empty_answer() const;

  const ModelParts& model_;
  Prompt prompt_;
  GenerationConfig options_;
  std::vector<CandidateTokens> candidates_;
  Caller caller_;
  bool one_row_;  // whose text can be told while it grows
  TextStream stream_;
  TextStopMatcher stops_;
  std::unique_ptr<Search> search_;
  std::optional<Step> step_;
  int steps_ = 0;
  Stopwatch watch_, decode_watch_;
};

// The answer of a job that does not go on. Throws what made it fail.
Generation answer_of(Job& job);
// The same as a response. Throws what a callback threw.
Response to_response(Job& job);

}  // namespace instructblip
