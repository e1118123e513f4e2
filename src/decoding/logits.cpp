#include "decoding/logits.h"

#include <bit>
#include <string>

#include "instructblip/error.h"

namespace instructblip {
namespace {

constexpr std::uint32_t kExponent = 0x7F800000;  // all ones: NaN or an infinity
constexpr std::uint32_t kExponentOne = 0x00800000;

bool is_finite(float value) {
  return (std::bit_cast<std::uint32_t>(value) & kExponent) != kExponent;
}

// One more carries an exponent of all ones into the sign: a loop without a branch or a comparison.
bool all_finite(std::span<const float> values) {
  std::uint32_t carried = 0;
  for (const float value : values) {
    carried |= (std::bit_cast<std::uint32_t>(value) & kExponent) + kExponentOne;
  }
  return (carried >> 31) == 0;
}

}  // namespace

void throw_not_finite(int step, std::size_t token, float logit) {
  throw Error(ErrorCode::bad_model,
              "language model: non-finite logits at step " + std::to_string(step) +
                  ": expected a finite number for token " + std::to_string(token) + ", got " +
                  (logit != logit ? "NaN" : "an infinity"),
              "the weights are damaged, or overflow in the precision in which they are held");
}

OwnedSummary summary_of(std::span<const float> logits, std::size_t top,
                        std::span<const std::int32_t> named) {
  OwnedSummary summary;
  if (!all_finite(logits)) {  // logits are looked at before anybody believes them
    const auto bad = std::find_if_not(logits.begin(), logits.end(), is_finite);
    summary.not_finite = static_cast<std::size_t>(bad - logits.begin());
    return summary;
  }
  for (const std::int32_t token : named) {
    summary.named.push_back(logits[static_cast<std::size_t>(token)]);
  }
  summary.best = best_of(logits, top, named);
  summary.normalizer = log_normalizer(logits);
  return summary;
}

void HostLogits::check_size(const Step& step) const {
  if (logits_.size() != step.rows() * vocabulary_) {
    throw Error(ErrorCode::internal,
                "language model: expected logits [" + std::to_string(step.rows()) + ", " +
                    std::to_string(vocabulary_) + "] at step " + std::to_string(step.number) +
                    ", got " + std::to_string(logits_.size()) + " values");
  }
}

std::span<const RowSummary> HostLogits::summarize(const Step& step) {
  check_size(step);
  for (std::size_t r = own_.size(); r < step.rows(); ++r) {
    own_.push_back(summary_of(row(r), step.top, step.named_in(r)));
  }
  summaries_.clear();
  for (std::size_t r = 0; r < step.rows(); ++r) {
    const OwnedSummary& own = own_[r];
    if (own.not_finite) throw_not_finite(step.number, *own.not_finite, row(r)[*own.not_finite]);
    summaries_.push_back({own.normalizer, own.named, own.best});
  }
  return summaries_;
}

}  // namespace instructblip
