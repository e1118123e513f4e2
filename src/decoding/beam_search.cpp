// Follows GenerationMixin._beam_search of transformers 4.57.3 for one prompt; float32 where the
// reference has float32, and torch.topk's tie rule wherever it selects.
#include "decoding/beam_search.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "decoding/heap_beam_search.h"
#include "decoding/running_beams.h"
#include "decoding/top_k.h"

namespace instructblip {
namespace {

// A place for a complete hypothesis.
struct Slot {
  Hypothesis hypothesis;
  float score = kNever;
  bool complete = false;
};

class BeamSearch final : public Search {
 public:
  BeamSearch(DecodeRequest request, std::size_t vocabulary)
      : request_(std::move(request)),
        watch_(request_),
        beams_(request_, watch_, vocabulary),
        slots_(beams_.size()) {}

  std::vector<DecodedSequence> result() override {
    const auto wanted = static_cast<std::size_t>(*request_.options.num_return_sequences);
    if (slots_.size() > wanted) slots_.resize(wanted);
    std::vector<DecodedSequence> sequences;
    for (Slot& slot : slots_) {
      sequences.push_back({std::move(slot.hypothesis.tokens), slot.hypothesis.finish_reason,
                           static_cast<double>(slot.score), std::move(slot.hypothesis.logprobs)});
    }
    return sequences;
  }

 private:
  std::optional<Step> propose() override {
    if (open_ && watch_.cancelled(beams_.length())) interrupt(FinishReason::cancelled);
    if (!open_) return std::nullopt;
    return beams_.step();
  }

  void extend(std::span<const RowSummary> rows, Logits& logits) override {
    const std::vector<Candidate> candidates = beams_.continuations(rows, logits);
    collect_complete(candidates);
    advance(candidates);
    open_ = can_improve(candidates);
    const Flow flow = watch_.tell(-1);
    if (open_ && flow == Flow::stop) interrupt(FinishReason::stop);
    if (open_ && flow == Flow::cancel) interrupt(FinishReason::cancelled);
  }

  // Only the first candidates, as many as there are beams, may complete an answer: an end token
  // further down would not have been considered by a search without the reserve. The slots and they
  // are ranked together.
  void collect_complete(std::span<const Candidate> candidates) {
    const std::size_t beams = beams_.size();
    std::vector<float> scores;
    for (const Slot& slot : slots_) scores.push_back(slot.score);
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      const bool complete = candidates[i].finish && i < beams;
      scores.push_back(normalized(candidates[i].score, beams_.length() + 1) +
                       (complete ? 0.0F : kNever));
    }
    std::vector<Slot> kept;
    for (const Ranked& best : top_k(scores, beams)) {
      const auto index = static_cast<std::size_t>(best.index);
      if (index < beams) {
        kept.push_back(std::move(slots_[index]));
        continue;
      }
      const Candidate& candidate = candidates[index - beams];
      kept.push_back(
          {beams_.completed(candidate, 0), best.value, candidate.finish && index - beams < beams});
    }
    slots_ = std::move(kept);
  }

  void advance(std::span<const Candidate> candidates) {
    std::vector<float> scores;
    for (const Candidate& candidate : candidates) {
      scores.push_back(candidate.score + (candidate.finish ? kNever : 0.0F));
    }
    std::vector<Candidate> chosen;
    for (const Ranked& best : top_k(scores, beams_.size())) {
      chosen.push_back(candidates[static_cast<std::size_t>(best.index)]);
      chosen.back().score = best.value;
    }
    beams_.advance(chosen);
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
    const float best = normalized(beams_.beams().front().score,
                                  grows ? *request_.options.max_new_tokens : beams_.length());
    float worst = slots_.front().score;
    for (const Slot& slot : slots_) worst = std::min(worst, slot.score);
    return std::any_of(slots_.begin(), slots_.end(),
                       [&](const Slot& slot) { return best > (slot.complete ? worst : kNever); });
  }

  float normalized(float score, int length) const {
    return score / static_cast<float>(
                       std::pow(static_cast<double>(length), *request_.options.length_penalty));
  }

  // Ends here, with the best of the complete and the running hypotheses.
  void interrupt(FinishReason reason) {
    std::vector<Slot> found;
    for (Slot& slot : slots_) {
      if (slot.complete) found.push_back(std::move(slot));
    }
    for (const Beam& beam : beams_.beams()) {
      if (beam.score <= kNever / 2 && !found.empty()) continue;
      found.push_back({beams_.completed(beam, 0, reason),
                       beams_.length() == 0 ? 0.0F : normalized(beam.score, beams_.length())});
    }
    std::stable_sort(found.begin(), found.end(),
                     [](const Slot& a, const Slot& b) { return a.score > b.score; });
    for (Slot& slot : found) slot.hypothesis.finish_reason = reason;
    slots_ = std::move(found);
    open_ = false;
  }

  DecodeRequest request_;
  Watch watch_;
  RunningBeams beams_;
  std::vector<Slot> slots_;  // best first
  bool open_ = true;
};

}  // namespace

std::unique_ptr<Search> make_beam_search(DecodeRequest request, std::size_t vocabulary) {
  if (request.beam_scorer == BeamScorer::transformers_4_33) {
    return make_heap_beam_search(std::move(request), vocabulary);
  }
  return std::make_unique<BeamSearch>(std::move(request), vocabulary);
}

}  // namespace instructblip
