#include "decoding/running_beams.h"

#include <algorithm>
#include <utility>

#include "decoding/top_k.h"

namespace instructblip {

RunningBeams::RunningBeams(const DecodeRequest& request, const Watch& watch, std::size_t vocabulary)
    : request_(request),
      watch_(watch),
      processors_(request.options, request.stop_ids, request.prompt_ids.size(),
                  request.bad_words_from_first_id),
      warpers_(request.options, request.stop_ids.size()),
      random_(*request.options.seed),
      vocabulary_(vocabulary),
      size_(static_cast<std::size_t>(*request.options.num_beams)),
      candidates_(std::max<std::size_t>(2, 1 + request.stop_ids.size()) * size_),
      totals_(size_ * vocabulary),
      normalizers_(size_) {
  // Equal hypotheses to begin with: only the first one counts, else all would stay equal. The old
  // beam scorer lets all count where they are drawn.
  const bool all_count =
      *request.options.do_sample && request.beam_scorer == BeamScorer::transformers_4_33;
  running_.assign(size_, {request.prompt_ids, {}, all_count ? 0.0F : kNever});
  running_.front().score = 0;
}

// Of logits_: all beams share the prompt's.
std::size_t RunningBeams::row_of(std::size_t beam) const {
  return logits_.size() == vocabulary_ ? 0 : beam;
}

// totals_[beam, token] = score of the beam + processed log probability of the token.
void RunningBeams::score(std::span<const float> logits) {
  logits_ = logits;
  const bool warps_totals = request_.beam_scorer == BeamScorer::transformers_4_33;
  for (std::size_t beam = 0; beam < size_; ++beam) {
    const auto row = std::span(totals_).subspan(beam * vocabulary_, vocabulary_);
    if (row_of(beam) != beam) {  // the prompt again; the first beam's score is 0
      std::copy_n(totals_.begin(), vocabulary_, row.begin());
    } else {
      const auto raw = logits_.subspan(beam * vocabulary_, vocabulary_);
      normalizers_[beam] = log_normalizer(raw);
      std::transform(raw.begin(), raw.end(), row.begin(), normalizers_[beam]);
      processors_.apply(row, running_[beam].sequence);
      if (!warps_totals) warpers_.apply(row);
    }
    const float score = running_[beam].score;
    for (float& total : row) total += score;
    if (warps_totals && row_of(beam) == beam) warpers_.apply(row);
  }
}

std::vector<Candidate> RunningBeams::continuations(std::span<const float> logits) {
  score(logits);
  std::vector<Candidate> candidates;
  std::vector<std::int32_t> tokens;
  for (const std::size_t index : *request_.options.do_sample ? drawn_totals() : best_totals()) {
    Candidate candidate{
        index / vocabulary_, static_cast<std::int32_t>(index % vocabulary_), totals_[index], {}};
    const auto before = new_tokens(running_[candidate.beam]);
    tokens.assign(before.begin(), before.end());
    tokens.push_back(candidate.token);
    candidate.finish = watch_.finished(tokens);
    candidates.push_back(candidate);
  }
  return candidates;
}

std::vector<std::size_t> RunningBeams::best_totals() const {
  std::vector<std::size_t> chosen;
  for (const Ranked& best : top_k(totals_, candidates_)) {
    chosen.push_back(static_cast<std::size_t>(best.index));
  }
  return chosen;
}

// Without replacement. Where fewer continuations have a probability, the best of the others follow:
// they cannot win, but the number of beams is fixed.
std::vector<std::size_t> RunningBeams::drawn_totals() const {
  std::vector<std::size_t> support;
  std::vector<double> weights;
  const std::vector<double> all = softmax_weights(totals_);
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i] <= 0) continue;
    support.push_back(i);
    weights.push_back(all[i]);
  }
  std::vector<std::size_t> chosen;
  const auto step = static_cast<std::uint32_t>(length_);
  while (chosen.size() < std::min(candidates_, support.size())) {
    const auto number = static_cast<std::uint32_t>(chosen.size());
    const std::size_t drawn = draw(weights, random_.uniform(0, step, number));
    weights[drawn] = 0;
    chosen.push_back(support[drawn]);
  }
  for (const std::size_t index : best_totals()) {
    if (chosen.size() == candidates_) break;
    if (std::find(chosen.begin(), chosen.end(), index) == chosen.end()) chosen.push_back(index);
  }
  if (request_.beam_scorer == BeamScorer::transformers_4_33) {
    std::stable_sort(chosen.begin(), chosen.end(),
                     [&](std::size_t a, std::size_t b) { return totals_[a] > totals_[b]; });
  }
  return chosen;
}

Beam RunningBeams::extended(const Candidate& candidate) const {
  Beam beam = running_[candidate.beam];
  beam.sequence.push_back(candidate.token);
  beam.score = candidate.score;
  if (request_.options.logprobs) {
    const std::size_t row = row_of(candidate.beam);
    const std::size_t at = row * vocabulary_ + static_cast<std::size_t>(candidate.token);
    beam.logprobs.push_back(normalizers_[row](logits_[at]));
  }
  return beam;
}

std::span<const std::int32_t> RunningBeams::new_tokens(const Beam& beam) const {
  return std::span(beam.sequence).subspan(request_.prompt_ids.size());
}

Hypothesis RunningBeams::completed(const Beam& beam, double score, FinishReason reason) const {
  const auto tokens = new_tokens(beam);
  return {{tokens.begin(), tokens.end()}, beam.logprobs, score, reason};
}

Hypothesis RunningBeams::completed(const Candidate& candidate, double score) const {
  return completed(extended(candidate), score, candidate.finish.value_or(FinishReason::length));
}

void RunningBeams::advance(std::span<const Candidate> chosen) {
  std::vector<Beam> next;
  sources_.clear();
  tokens_.clear();
  for (const Candidate& candidate : chosen) {
    next.push_back(extended(candidate));
    tokens_.push_back(candidate.token);
    sources_.push_back(static_cast<std::int32_t>(row_of(candidate.beam)));
  }
  running_ = std::move(next);
  ++length_;
}

}  // namespace instructblip
