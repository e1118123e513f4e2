#include "decoding/checked_session.h"

#include <algorithm>
#include <bit>
#include <chrono>
#include <string>

#include "instructblip/error.h"

namespace instructblip {
namespace {

bool is_finite(float value) {  // by its bits: a loop over this needs no branch
  constexpr std::uint32_t kExponent = 0x7F800000;
  return (std::bit_cast<std::uint32_t>(value) & kExponent) != kExponent;
}

}  // namespace

std::span<const float> CheckedSession::prefill() {
  const auto start = std::chrono::steady_clock::now();
  const std::span<const float> logits = session_->prefill();
  prefill_ms_ =
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  return checked(logits, 1);
}

std::span<const float> CheckedSession::step(std::span<const std::int32_t> sources,
                                            std::span<const std::int32_t> tokens) {
  ++step_;
  return checked(session_->step(sources, tokens), tokens.size());
}

std::span<const float> CheckedSession::checked(std::span<const float> logits,
                                               std::size_t rows) const {
  const std::string step = std::to_string(step_);
  if (logits.size() != rows * vocabulary_) {
    throw Error(ErrorCode::internal, "language model: expected logits [" + std::to_string(rows) +
                                         ", " + std::to_string(vocabulary_) + "] at step " + step +
                                         ", got " + std::to_string(logits.size()) + " values");
  }
  bool finite = true;
  for (const float logit : logits) finite &= is_finite(logit);
  if (finite) return logits;
  const auto bad = std::find_if_not(logits.begin(), logits.end(), is_finite);
  const auto token = static_cast<std::size_t>(bad - logits.begin()) % vocabulary_;
  throw Error(ErrorCode::bad_model,
              "language model: non-finite logits at step " + step +
                  ": expected a finite number for token " + std::to_string(token) + ", got " +
                  (*bad != *bad ? "NaN" : "an infinity"),
              "the weights are damaged, or overflow in the precision in which they are held");
}

}  // namespace instructblip
