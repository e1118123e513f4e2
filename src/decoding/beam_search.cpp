// Follows GenerationMixin._beam_search of transformers 4.57.3 for one prompt; float32 where the
// reference has float32, and torch.topk's tie rule wherever it selects.
#include "decoding/beam_search.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "decoding/log_softmax.h"
#include "decoding/logits_processors.h"
#include "decoding/random.h"
#include "decoding/top_k.h"
#include "decoding/warpers.h"
#include "decoding/watch.h"

namespace instructblip {
namespace {

// What the reference adds to scores that must not win. Not -inf: two of them still have an order.
constexpr float kNever = -1e9f;

// A hypothesis that goes on.
struct Beam {
  std::vector<std::int32_t> sequence;  // prompt, then new tokens
  std::vector<float> logprobs;         // of the new tokens, raw; empty unless asked for
  float score;                         // sum of processed log probabilities
};

// A running beam and one more token.
struct Candidate {
  std::size_t beam;
  std::int32_t token;
  float score;
  std::optional<FinishReason> finish;  // set where it may not go on
};

// A place for a complete hypothesis.
struct Slot {
  std::vector<std::int32_t> tokens;
  std::vector<float> logprobs;
  float score = kNever;  // normalised by the length
  bool complete = false;
  FinishReason finish_reason = FinishReason::length;
};

class BeamSearch final : public Search {
 public:
  BeamSearch(DecodeRequest request, std::size_t vocabulary)
      : Search(vocabulary),
        request_(std::move(request)),
        watch_(request_),
        processors_(request_.options, request_.stop_ids, request_.prompt_ids.size()),
        warpers_(request_.options, request_.stop_ids.size()),
        random_(*request_.options.seed),
        beams_(static_cast<std::size_t>(*request_.options.num_beams)),
        candidates_(std::max<std::size_t>(2, 1 + request_.stop_ids.size()) * beams_),
        totals_(beams_ * vocabulary),
        normalizers_(beams_),
        slots_(beams_) {
    // Equal hypotheses to begin with: only the first one counts, else all would stay equal.
    running_.assign(beams_, {request_.prompt_ids, {}, kNever});
    running_.front().score = 0;
  }

  std::vector<DecodedSequence> result() override {
    const auto wanted = static_cast<std::size_t>(*request_.options.num_return_sequences);
    if (slots_.size() > wanted) slots_.resize(wanted);
    std::vector<DecodedSequence> sequences;
    for (Slot& slot : slots_) {
      sequences.push_back({std::move(slot.tokens), slot.finish_reason,
                           static_cast<double>(slot.score), std::move(slot.logprobs)});
    }
    return sequences;
  }

 private:
  std::optional<Step> propose() override {
    if (open_ && watch_.cancelled(length_)) interrupt(FinishReason::cancelled);
    if (!open_) return std::nullopt;
    return Step{sources_, tokens_};
  }

  void extend(std::span<const float> logits) override {
    logits_ = logits;
    score_continuations();
    const std::vector<Candidate> candidates = choose_candidates();
    ++length_;
    collect_complete(candidates);
    advance(candidates);
    open_ = can_improve(candidates);
    const Flow flow = watch_.tell(-1);
    if (open_ && flow == Flow::stop) interrupt(FinishReason::stop);
    if (open_ && flow == Flow::cancel) interrupt(FinishReason::cancelled);
  }

  // Of logits_: all beams share the prompt's.
  std::size_t row_of(std::size_t beam) const { return logits_.size() == vocabulary() ? 0 : beam; }

  // totals_[beam, token] = score of the beam + processed log probability of the token.
  void score_continuations() {
    const std::size_t width = vocabulary();
    for (std::size_t beam = 0; beam < beams_; ++beam) {
      const auto row = std::span(totals_).subspan(beam * width, width);
      if (row_of(beam) != beam) {  // the prompt again; the first beam's score is 0
        std::copy_n(totals_.begin(), width, row.begin());
      } else {
        const auto raw = logits_.subspan(beam * width, width);
        normalizers_[beam] = log_normalizer(raw);
        std::transform(raw.begin(), raw.end(), row.begin(), normalizers_[beam]);
        processors_.apply(row, running_[beam].sequence);
        warpers_.apply(row);
      }
      const float score = running_[beam].score;
      for (float& total : row) total += score;
    }
  }

  // More than there are beams: one end token per beam may be among the best, and the rest must go
  // on.
  std::vector<Candidate> choose_candidates() {
    const std::vector<std::size_t> chosen =
        *request_.options.do_sample ? draw_totals() : best_totals();
    std::vector<Candidate> candidates;
    std::vector<std::int32_t> tokens;
    for (const std::size_t index : chosen) {
      Candidate candidate{index / vocabulary(),
                          static_cast<std::int32_t>(index % vocabulary()),
                          totals_[index],
                          {}};
      const auto before = new_tokens(running_[candidate.beam]);
      tokens.assign(before.begin(), before.end());
      tokens.push_back(candidate.token);
      candidate.finish = watch_.finished(tokens);
      candidates.push_back(candidate);
    }
    return candidates;
  }

  std::vector<std::size_t> best_totals() const {
    std::vector<std::size_t> chosen;
    for (const Ranked& best : top_k(totals_, candidates_)) {
      chosen.push_back(static_cast<std::size_t>(best.index));
    }
    return chosen;
  }

  // Without replacement, in the order of the draws. Where fewer continuations have a probability,
  // the best of the others follow: they cannot win, but the number of beams is fixed.
  std::vector<std::size_t> draw_totals() const {
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
    return chosen;
  }

  // Only the first beams_ candidates may complete an answer: an end token further down would not
  // have been considered by a search without the reserve. The slots and they are ranked together.
  void collect_complete(std::span<const Candidate> candidates) {
    std::vector<float> scores;
    for (const Slot& slot : slots_) scores.push_back(slot.score);
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      const bool complete = candidates[i].finish && i < beams_;
      scores.push_back(normalized(candidates[i].score) + (complete ? 0.0f : kNever));
    }
    std::vector<Slot> kept;
    for (const Ranked& best : top_k(scores, beams_)) {
      const auto index = static_cast<std::size_t>(best.index);
      if (index < beams_) {
        kept.push_back(std::move(slots_[index]));
        continue;
      }
      const Candidate& candidate = candidates[index - beams_];
      const Beam beam = extended(candidate);
      const auto tokens = new_tokens(beam);
      kept.push_back({{tokens.begin(), tokens.end()},
                      beam.logprobs,
                      best.value,
                      candidate.finish && index - beams_ < beams_,
                      candidate.finish.value_or(FinishReason::length)});
    }
    slots_ = std::move(kept);
  }

  void advance(std::span<const Candidate> candidates) {
    std::vector<float> scores;
    for (const Candidate& candidate : candidates) {
      scores.push_back(candidate.score + (candidate.finish ? kNever : 0.0f));
    }
    std::vector<Beam> next;
    sources_.clear();
    tokens_.clear();
    for (const Ranked& best : top_k(scores, beams_)) {
      const Candidate& candidate = candidates[static_cast<std::size_t>(best.index)];
      next.push_back(extended(candidate));
      tokens_.push_back(candidate.token);
      next.back().score = best.value;
      sources_.push_back(static_cast<std::int32_t>(row_of(candidate.beam)));
    }
    running_ = std::move(next);
  }

  Beam extended(const Candidate& candidate) const {
    Beam beam = running_[candidate.beam];
    beam.sequence.push_back(candidate.token);
    if (request_.options.logprobs) {
      const std::size_t row = row_of(candidate.beam);
      const std::size_t at = row * vocabulary() + static_cast<std::size_t>(candidate.token);
      beam.logprobs.push_back(normalizers_[row](logits_[at]));
    }
    return beam;
  }

  // Whether the search goes on.
  bool can_improve(std::span<const Candidate> candidates) const {
    if (std::all_of(candidates.begin(), candidates.end(),
                    [](const Candidate& candidate) { return candidate.finish.has_value(); })) {
      return false;
    }
    const bool full =
        std::all_of(slots_.begin(), slots_.end(), [](const Slot& slot) { return slot.complete; });
    const EarlyStopping early = *request_.options.early_stopping;
    if (full && early == EarlyStopping::yes) return false;
    // The best that a running beam can still become, supposing that its score does not fall: at its
    // present length or, where length is rewarded and early_stopping is `never`, at the full one.
    const bool grows = early == EarlyStopping::never && *request_.options.length_penalty > 0.0;
    const float best =
        normalized(running_.front().score, grows ? *request_.options.max_new_tokens : length_);
    float worst = slots_.front().score;
    for (const Slot& slot : slots_) worst = std::min(worst, slot.score);
    return std::any_of(slots_.begin(), slots_.end(),
                       [&](const Slot& slot) { return best > (slot.complete ? worst : kNever); });
  }

  float normalized(float score, int length) const {
    return score / static_cast<float>(
                       std::pow(static_cast<double>(length), *request_.options.length_penalty));
  }
  float normalized(float score) const { return normalized(score, length_); }

  std::span<const std::int32_t> new_tokens(const Beam& beam) const {
    return std::span(beam.sequence).subspan(request_.prompt_ids.size());
  }

  // Ends here, with the best of the complete and the running hypotheses.
  void interrupt(FinishReason reason) {
    std::vector<Slot> found;
    for (Slot& slot : slots_) {
      if (slot.complete) found.push_back(std::move(slot));
    }
    for (Beam& beam : running_) {
      if (beam.score <= kNever / 2 && !found.empty()) continue;
      const auto tokens = new_tokens(beam);
      found.push_back({{tokens.begin(), tokens.end()},
                       std::move(beam.logprobs),
                       length_ == 0 ? 0.0f : normalized(beam.score),
                       false,
                       reason});
    }
    std::stable_sort(found.begin(), found.end(),
                     [](const Slot& a, const Slot& b) { return a.score > b.score; });
    for (Slot& slot : found) slot.finish_reason = reason;
    slots_ = std::move(found);
    open_ = false;
  }

  DecodeRequest request_;
  Watch watch_;
  LogitsProcessors processors_;
  Warpers warpers_;
  Random random_;
  std::size_t beams_;
  std::size_t candidates_;                  // chosen in each step
  std::span<const float> logits_;           // [beams, vocabulary], of the prompt [1, vocabulary];
                                            // while they are being looked at
  std::vector<float> totals_;               // [beams, vocabulary]
  std::vector<LogNormalizer> normalizers_;  // of the rows of logits
  std::vector<Beam> running_;               // best first
  std::vector<std::int32_t> sources_;       // of running_: their rows of the last logits
  std::vector<std::int32_t> tokens_;        // of running_: their last tokens
  std::vector<Slot> slots_;                 // best first
  int length_ = 0;                          // new tokens of every running beam
  bool open_ = true;
};

}  // namespace

std::unique_ptr<Search> make_beam_search(DecodeRequest request, std::size_t vocabulary) {
  return std::make_unique<BeamSearch>(std::move(request), vocabulary);
}

}  // namespace instructblip
