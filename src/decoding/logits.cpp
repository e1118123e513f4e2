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

// Logits are looked at before anybody believes them.
void HostLogits::check(const Step& step) const {
  if (logits_.size() != step.rows() * vocabulary_) {
    throw Error(ErrorCode::internal,
                "language model: expected logits [" + std::to_string(step.rows()) + ", " +
                    std::to_string(vocabulary_) + "] at step " + std::to_string(step.number) +
                    ", got " + std::to_string(logits_.size()) + " values");
  }
  if (all_finite(logits_)) return;
  const auto bad = std::find_if_not(logits_.begin(), logits_.end(), is_finite);
  throw_not_finite(step.number, static_cast<std::size_t>(bad - logits_.begin()) % vocabulary_,
                   *bad);
}

std::span<const RowSummary> HostLogits::summarize(const Step& step) {
  check(step);
  summaries_.clear();
  named_.resize(step.rows());
  best_.resize(step.rows());
  for (std::size_t r = 0; r < step.rows(); ++r) {
    const auto logits = row(r);
    named_[r].clear();
    for (const std::int32_t token : step.named_in(r)) {
      named_[r].push_back(logits[static_cast<std::size_t>(token)]);
    }
    best_[r] = best_of(logits, step.top, step.named_in(r));
    summaries_.push_back({log_normalizer(logits), named_[r], best_[r]});
  }
  return summaries_;
}

}  // namespace instructblip
