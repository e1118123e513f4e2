// A request on its way to an answer: what it has of its own while it shares passes with others.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "decoding/search.h"
#include "instructblip/generation.h"
#include "interface/stopwatch.h"
#include "language/language_state.h"
#include "pipeline/model.h"
#include "pipeline/text_stream.h"

namespace instructblip {

class Job {
 public:
  // `number` is what the callback is told; `model` must outlive the job.
  Job(const Model& model, Model::Question question, const Control& control, std::size_t number);
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;

  // What the stages make of it, in their order; dropped as soon as nobody needs it any more.
  std::vector<at::Tensor> pixels;        // one per picture, [T, 3, H, W]; none: features were given
  std::vector<EncodedPicture> pictures;  // what the vision encoder made of them
  at::Tensor queries;                    // [B, Q, D]
  std::unique_ptr<LanguageState> state;  // from the embedded prompt on
  at::Tensor logits;                     // [R, N] of the last pass
  Timings timings;
  std::exception_ptr error;  // set: it has failed and is not to go on

  const Prompt& prompt() const { return question_.prompt; }
  // Hypotheses that it is decoded along: rows of a step.
  std::size_t rows() const;
  // Rows of its prompt in the language model.
  std::size_t prompt_rows() const { return question_.prompt.ids.size(); }
  bool has_begun() const { return steps_ > 0; }  // the prompt has been read

  // Whether there is another step(); sets `error` where Search::next() throws.
  bool goes_on() noexcept;
  const Step& step() const { return *step_; }
  // The logits of that step have come. Sets `error` where Search::accept() or the callback throws.
  void accept() noexcept;

  // Once, when it does not go on. Tells the callback what was held back.
  Generation finish();

 private:
  DecodeRequest decode_request();
  Flow tell(std::int32_t id);  // tells whoever watches about a step
  std::unique_ptr<Search> search();

  const Model& model_;
  Model::Question question_;
  Control control_;
  int number_;
  bool one_row_;  // whose text can be told while it grows
  TextStream stream_;
  TextStopMatcher stops_;
  std::unique_ptr<Search> search_;
  std::optional<Step> step_;
  int steps_ = 0;
  Stopwatch watch_, decode_watch_;
};

// The response of a job that does not go on. Throws what a callback threw.
Response to_response(Job& job);

}  // namespace instructblip
