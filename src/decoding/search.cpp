#include "decoding/search.h"

#include <algorithm>
#include <string>
#include <utility>

#include "decoding/beam_search.h"
#include "decoding/row_search.h"
#include "instructblip/error.h"

namespace instructblip {
namespace {

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

std::optional<Step> Search::next() {
  std::optional<Step> step = propose();
  if (!step) return std::nullopt;
  step->number = steps_;
  step_ = *step;
  return step;
}

void Search::accept(Logits& logits) {
  const auto rows = logits.summarize(step_);
  if (rows.size() != step_.rows()) {
    throw Error(ErrorCode::internal, "language model: expected summaries of " +
                                         std::to_string(step_.rows()) + " rows at step " +
                                         std::to_string(steps_) + ", got " +
                                         std::to_string(rows.size()));
  }
  ++steps_;
  extend(rows, logits);
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

}  // namespace instructblip
