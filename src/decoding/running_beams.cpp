#include "decoding/running_beams.h"

#include <algorithm>
#include <utility>

#include "decoding/top_k.h"

namespace instructblip {

RunningBeams::RunningBeams(const DecodeRequest& request, const Watch& watch, std::size_t vocabulary)
    : request_(request),
      watch_(watch),
      processors_(request.options, request.stop_ids, request.prompt_ids.size(),
                  request.bad_words_from_first_id, vocabulary),
      warpers_(request.options, request.stop_ids.size()),
      random_(*request.options.seed),
      vocabulary_(vocabulary),
      size_(static_cast<std::size_t>(*request.options.num_beams)),
      candidates_(std::max<std::size_t>(2, 1 + request.stop_ids.size()) * size_) {
  processors_.refuse_empty(request.is_empty);
  // Equal hypotheses to begin with: only the first one counts, else all would stay equal. The old
  // beam scorer lets all count where they are drawn.
  const bool all_count =
      *request.options.do_sample && request.beam_scorer == BeamScorer::transformers_4_33;
  running_.assign(size_, {request.prompt_ids, {}, all_count ? 0.0F : kNever});
  running_.front().score = 0;
  plan();
}

// What the processors will do to the rows of the next step; all beams share the prompt's.
void RunningBeams::plan() {
  edits_.clear();
  named_.clear();
  const std::size_t rows = length_ == 0 ? 1 : running_.size();
  for (std::size_t row = 0; row < rows; ++row) {
    edits_.push_back(processors_.edits(running_[row].sequence));
    named_.push_back(tokens_of(edits_.back()));
  }
}

Step RunningBeams::step() const {
  if (reads_whole_rows()) {
    return {.sources = sources_, .tokens = tokens_, .whole_rows = true};
  }
  // One more than are chosen, so that it shows where the last of them has an equal.
  Step step{.sources = sources_,
            .tokens = tokens_,
            .named = named_,
            .top = candidates_ + 1,
            .rows_of_equals = true};
  if (go_on_by_their_scores()) step.next = NextRows{candidates_, scores_, request_.stop_ids};
  return step;
}

// As many rows as before, as far as is known before they are ranked.
bool RunningBeams::go_on_by_their_scores() const {
  return length_ > 0 && length_ + 1 < *request_.options.max_new_tokens && tokens_.size() == size_ &&
         std::ranges::all_of(edits_, only_bans);
}

std::vector<Candidate> RunningBeams::continuations(std::span<const RowSummary> rows,
                                                   Logits& logits) {
  std::optional<std::vector<Candidate>> best;
  if (!reads_whole_rows()) best = best_listed(rows);
  std::vector<Candidate> candidates = best ? std::move(*best) : from_whole_rows(rows, logits);
  std::vector<std::int32_t> tokens;
  for (Candidate& candidate : candidates) {
    const auto before = new_tokens(running_[candidate.beam]);
    tokens.assign(before.begin(), before.end());
    tokens.push_back(candidate.token);
    candidate.finish = watch_.finished(tokens);
  }
  return candidates;
}

// Every continuation that the summaries tell of.
std::vector<Candidate> RunningBeams::listed(std::span<const RowSummary> rows) const {
  std::vector<Candidate> all;
  for (std::size_t beam = 0; beam < running_.size(); ++beam) {
    const RowSummary& row = rows[row_of(beam)];
    const float score = running_[beam].score;
    for (const Ranked& other : row.best) {
      const float logprob = row.normalizer(other.value);
      const auto token = static_cast<std::int32_t>(other.index);
      all.push_back({beam, token, logprob + score, logprob, {}});
    }
    const auto& edits = edits_[row_of(beam)];
    for (std::size_t i = 0; i < edits.size(); ++i) {
      const float logprob = row.normalizer(row.named[i]);
      all.push_back(
          {beam, edits[i].token, processors_.edited(edits[i], logprob) + score, logprob, {}});
    }
  }
  return all;
}

// None where two of the best, or the last of them and the next, have equal scores.
std::optional<std::vector<Candidate>> RunningBeams::best_listed(
    std::span<const RowSummary> rows) const {
  std::vector<Candidate> best = listed(rows);
  // What is not listed cannot be above the last of its row, however sums are rounded, and a row
  // whose list was cut off has more members than are chosen: one of its own would stand next.
  const std::size_t decisive = std::min(candidates_ + 1, best.size());
  const auto end = best.begin() + static_cast<std::ptrdiff_t>(decisive);
  std::partial_sort(best.begin(), end, best.end(),
                    [](const Candidate& a, const Candidate& b) { return a.score > b.score; });
  const auto equal = [](const Candidate& a, const Candidate& b) { return a.score == b.score; };
  if (std::adjacent_find(best.begin(), end, equal) != end) return std::nullopt;
  best.resize(std::min(candidates_, best.size()));
  return best;
}

// totals_[beam, token] = score of the beam + processed log probability of the token.
void RunningBeams::add_up(std::span<const RowSummary> rows, Logits& logits) {
  totals_.resize(running_.size() * vocabulary_);
  const bool warps_totals = request_.beam_scorer == BeamScorer::transformers_4_33;
  for (std::size_t beam = 0; beam < running_.size(); ++beam) {
    const auto row = std::span(totals_).subspan(beam * vocabulary_, vocabulary_);
    if (row_of(beam) != beam) {  // the prompt again; the first beam's score is 0
      std::copy_n(totals_.begin(), vocabulary_, row.begin());
    } else {
      const auto raw = logits.row(beam);
      std::transform(raw.begin(), raw.end(), row.begin(), rows[beam].normalizer);
      processors_.process(row, edits_[beam], running_[beam].sequence);
      if (!warps_totals) warpers_.apply(row);
    }
    const float score = running_[beam].score;
    for (float& total : row) total += score;
    if (warps_totals && row_of(beam) == beam) warpers_.apply(row);
  }
}

std::vector<Candidate> RunningBeams::from_whole_rows(std::span<const RowSummary> rows,
                                                     Logits& logits) {
  add_up(rows, logits);
  std::vector<Candidate> candidates;
  for (const std::size_t index : *request_.options.do_sample ? drawn_totals() : best_totals()) {
    const std::size_t beam = index / vocabulary_;
    const std::size_t token = index % vocabulary_;
    const float logit = logits.row(row_of(beam))[token];
    candidates.push_back({beam,
                          static_cast<std::int32_t>(token),
                          totals_[index],
                          rows[row_of(beam)].normalizer(logit),
                          {}});
  }
  return candidates;
}

std::vector<std::size_t> RunningBeams::best_totals() const {
  std::vector<std::size_t> chosen;
  for (const Ranked& best : top_k(totals_, std::min(candidates_, totals_.size()))) {
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
  if (request_.options.logprobs) beam.logprobs.push_back(candidate.logprob);
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
  scores_.clear();
  for (const Candidate& candidate : chosen) {
    next.push_back(extended(candidate));
    tokens_.push_back(candidate.token);
    sources_.push_back(static_cast<std::int32_t>(row_of(candidate.beam)));
    scores_.push_back(candidate.score);
  }
  running_ = std::move(next);
  ++length_;
  plan();
}

}  // namespace instructblip
