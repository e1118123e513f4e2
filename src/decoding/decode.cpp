#include "decoding/decode.h"

#include <algorithm>
#include <string>

#include "decoding/beam_search.h"
#include "decoding/log_softmax.h"
#include "decoding/logits_processors.h"
#include "decoding/row_search.h"
#include "decoding/warpers.h"
#include "instructblip/error.h"

namespace instructblip {

DecodeResult decode(LanguageSession& session, const DecodeRequest& request) {
  if (*request.options.num_beams == 1) return search_rows(session, request);
  // Beam search looks at so many continuations of every beam.
  const std::int64_t needed =
      std::max<std::int64_t>(2, 1 + static_cast<std::int64_t>(request.stop_ids.size()));
  if (session.vocabulary() < needed) {
    throw Error(ErrorCode::unsupported,
                "num_beams: beam search with " + std::to_string(request.stop_ids.size()) +
                    " end tokens expects a vocabulary of at least " + std::to_string(needed) +
                    ", got " + std::to_string(session.vocabulary()));
  }
  return search_beams(session, request);
}

std::vector<double> next_token_distribution(std::span<const float> logits,
                                            const DecodeRequest& request,
                                            std::span<const std::int32_t> new_tokens) {
  std::vector<float> scores(logits.begin(), logits.end());
  if (*request.options.num_beams > 1) log_softmax(logits, scores);
  std::vector<std::int32_t> sequence = request.prompt_ids;
  sequence.insert(sequence.end(), new_tokens.begin(), new_tokens.end());
  LogitsProcessors(request.options, request.stop_ids, request.prompt_ids.size())
      .apply(scores, sequence);
  Warpers(request.options, request.stop_ids.size()).apply(scores);
  std::vector<double> probabilities = softmax_weights(scores);
  double total = 0;
  for (const double weight : probabilities) total += weight;
  for (double& probability : probabilities) probability /= total;
  return probabilities;
}

}  // namespace instructblip
