// Follows BeamSearchScorer and BeamHypotheses of transformers 4.33.2 for one prompt, in double
// where they have Python's floats.
//
// What differs from later versions: a length counts the token that stands before the new ones (T5's
// start token; in front of embeddings, the bos), but not the end token, so that an answer that ends
// is divided as today and one that is cut off by one token more; a search ends by the best
// continuation, one that ends included, at the length after next; an unfinished hypothesis only
// counts where the search ran into its longest length.
#include "decoding/heap_beam_search.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "decoding/running_beams.h"

namespace instructblip {
namespace {

// The best complete hypotheses, as many as there are beams.
class HypothesisHeap {
 public:
  explicit HypothesisHeap(std::size_t size) : size_(size) {}

  void add(Hypothesis hypothesis) {
    if (full() && hypothesis.score <= worst_) return;
    kept_.push_back(std::move(hypothesis));
    if (kept_.size() > size_) kept_.erase(lowest());
    worst_ = lowest()->score;
  }

  bool full() const { return kept_.size() == size_; }
  double worst() const { return worst_; }

  // Best first; of equal ones the last that came.
  std::vector<Hypothesis> take() {
    std::stable_sort(kept_.begin(), kept_.end(),
                     [](const Hypothesis& a, const Hypothesis& b) { return a.score < b.score; });
    std::reverse(kept_.begin(), kept_.end());
    return std::move(kept_);
  }

 private:
  std::vector<Hypothesis>::iterator lowest() {  // the first of equal ones
    return std::min_element(
        kept_.begin(), kept_.end(),
        [](const Hypothesis& a, const Hypothesis& b) { return a.score < b.score; });
  }

  std::size_t size_;
  std::vector<Hypothesis> kept_;  // in the order in which they came
  double worst_ = 0;
};

class HeapBeamSearch final : public Search {
 public:
  HeapBeamSearch(DecodeRequest request, std::size_t vocabulary)
      : request_(std::move(request)),
        watch_(request_),
        beams_(request_, watch_, vocabulary),
        complete_(beams_.size()) {}

  std::vector<DecodedSequence> result() override {
    std::vector<DecodedSequence> sequences;
    for (Hypothesis& found : complete_.take()) {
      if (std::ssize(sequences) == *request_.options.num_return_sequences) break;
      // The reference hands scores out as float32.
      sequences.push_back({std::move(found.tokens), found.finish_reason,
                           static_cast<double>(static_cast<float>(found.score)),
                           std::move(found.logprobs)});
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
    std::vector<Candidate> going_on;
    for (std::size_t i = 0; i < candidates.size() && going_on.size() < beams_.size(); ++i) {
      if (candidates[i].finish != FinishReason::stop) {
        going_on.push_back(candidates[i]);
      } else if (i < beams_.size()) {
        complete_.add(
            beams_.completed(candidates[i], normalized(candidates[i].score, beams_.length() + 1)));
      }
    }
    float best = candidates.front().score;
    for (const Candidate& candidate : candidates) best = std::max(best, candidate.score);
    beams_.advance(going_on);
    if (going_on.empty() || is_done(best)) {  // none: all completed a stop string
      open_ = false;
    } else if (beams_.length() == *request_.options.max_new_tokens) {
      complete_running(FinishReason::length);
    }
    const Flow flow = watch_.tell(-1);
    if (open_ && flow == Flow::stop) interrupt(FinishReason::stop);
    if (open_ && flow == Flow::cancel) interrupt(FinishReason::cancelled);
  }

  // Whether no running beam is thought to become better than the worst complete hypothesis. `best`
  // is the sum of the best continuation.
  bool is_done(float best) const {
    if (!complete_.full()) return false;
    const EarlyStopping early = *request_.options.early_stopping;
    if (early == EarlyStopping::yes) return true;
    const bool grows = early == EarlyStopping::never && *request_.options.length_penalty > 0.0;
    const int length = grows ? *request_.options.max_new_tokens : beams_.length();
    return complete_.worst() >= normalized(best, length + 1);
  }

  double normalized(float score, int length) const {
    return static_cast<double>(score) / std::pow(length, *request_.options.length_penalty);
  }

  void complete_running(FinishReason reason) {
    for (const Beam& beam : beams_.beams()) {
      complete_.add(beams_.completed(beam, normalized(beam.score, beams_.length() + 1), reason));
    }
    open_ = false;
  }

  // Ends here, with the best of the complete and the running hypotheses.
  void interrupt(FinishReason reason) {
    complete_running(reason);
    std::vector<Hypothesis> found = complete_.take();
    HypothesisHeap marked(beams_.size());
    std::reverse(found.begin(), found.end());
    for (Hypothesis& hypothesis : found) {
      hypothesis.finish_reason = reason;
      marked.add(std::move(hypothesis));
    }
    complete_ = std::move(marked);
  }

  DecodeRequest request_;
  Watch watch_;
  RunningBeams beams_;
  HypothesisHeap complete_;
  bool open_ = true;
};

}  // namespace

std::unique_ptr<Search> make_heap_beam_search(DecodeRequest request, std::size_t vocabulary) {
  return std::make_unique<HeapBeamSearch>(std::move(request), vocabulary);
}

}  // namespace instructblip
