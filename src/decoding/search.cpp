#include "decoding/search.h"

#include <algorithm>
#include <bit>
#include <string>
#include <utility>

#include "decoding/beam_search.h"
#include "decoding/log_softmax.h"
#include "decoding/logits_processors.h"
#include "decoding/row_search.h"
#include "decoding/warpers.h"
#include "instructblip/error.h"

namespace instructblip {
namespace {

bool is_finite(float value) {  // by its bits: a loop over this needs no branch
  constexpr std::uint32_t kExponent = 0x7F800000;
  return (std::bit_cast<std::uint32_t>(value) & kExponent) != kExponent;
}

// Logits are looked at before anybody believes them.
void check_logits(std::span<const float> logits, std::size_t rows, std::size_t vocabulary,
                  int at_step) {
  const std::string step = std::to_string(at_step);
  if (logits.size() != rows * vocabulary) {
    throw Error(ErrorCode::internal, "language model: expected logits [" + std::to_string(rows) +
                                         ", " + std::to_string(vocabulary) + "] at step " + step +
                                         ", got " + std::to_string(logits.size()) + " values");
  }
  bool finite = true;
  for (const float logit : logits) finite &= is_finite(logit);
  if (finite) return;
  const auto bad = std::find_if_not(logits.begin(), logits.end(), is_finite);
  const auto token = static_cast<std::size_t>(bad - logits.begin()) % vocabulary;
  throw Error(ErrorCode::bad_model,
              "language model: non-finite logits at step " + step +
                  ": expected a finite number for token " + std::to_string(token) + ", got " +
                  (*bad != *bad ? "NaN" : "an infinity"),
              "the weights are damaged, or overflow in the precision in which they are held");
}

// The reference refuses these, and passes over suppress_tokens that have no row.
void check_bad_words(const std::vector<std::vector<std::int32_t>>& runs, std::size_t vocabulary) {
  for (std::size_t i = 0; i < runs.size(); ++i) {
    for (const std::int32_t id : runs[i]) {
      if (static_cast<std::size_t>(id) < vocabulary) continue;
      throw Error(ErrorCode::invalid_argument,
                  "options: bad_words_ids[" + std::to_string(i) + "]: expected ids of at most " +
                      std::to_string(vocabulary - 1) + ", got " + std::to_string(id));
    }
  }
}

}  // namespace

std::optional<Search::Step> Search::next() {
  const std::optional<Step> step = propose();
  if (step) rows_ = step->rows();
  return step;
}

void Search::accept(std::span<const float> logits) {
  check_logits(logits, rows_, vocabulary_, step_++);
  extend(logits);
}

std::unique_ptr<Search> make_search(DecodeRequest request, std::int64_t vocabulary) {
  const auto width = static_cast<std::size_t>(vocabulary);
  check_bad_words(*request.options.bad_words_ids, width);
  if (*request.options.num_beams == 1) return make_row_search(std::move(request), width);
  // Beam search looks at so many continuations of every beam.
  const std::size_t needed = std::max<std::size_t>(2, 1 + request.stop_ids.size());
  if (width < needed) {
    throw Error(ErrorCode::unsupported,
                "num_beams: beam search with " + std::to_string(request.stop_ids.size()) +
                    " end tokens expects a vocabulary of at least " + std::to_string(needed) +
                    ", got " + std::to_string(width));
  }
  return make_beam_search(std::move(request), width);
}

std::vector<double> next_token_distribution(std::span<const float> logits,
                                            const DecodeRequest& request,
                                            std::span<const std::int32_t> new_tokens) {
  std::vector<float> scores(logits.begin(), logits.end());
  if (*request.options.num_beams > 1) log_softmax(logits, scores);
  std::vector<std::int32_t> sequence = request.prompt_ids;
  sequence.insert(sequence.end(), new_tokens.begin(), new_tokens.end());
  LogitsProcessors(request.options, request.stop_ids, request.prompt_ids.size(),
                   request.bad_words_from_first_id)
      .apply(scores, sequence);
  Warpers(request.options, request.stop_ids.size()).apply(scores);
  std::vector<double> probabilities = softmax_weights(scores);
  double total = 0;
  for (const double weight : probabilities) total += weight;
  for (double& probability : probabilities) probability /= total;
  return probabilities;
}

}  // namespace instructblip
