// Log probabilities of one row of logits, in the arithmetic of the reference.
#pragma once

#include <span>

namespace instructblip {

// What turns logits of a row into log probabilities: log_softmax(x) = (x - max) - log_sum, rounded
// to float after each subtraction.
struct LogNormalizer {
  float max;      // the largest logit
  float log_sum;  // log of the sum of exp(x - max)

  float operator()(float logit) const { return (logit - max) - log_sum; }
};

// `logits` is not empty and holds no NaN and no +inf; at least one is finite.
//
// Beam search compares sums of log probabilities of different rows, so a last bit decides where two
// hypotheses are equal: kernels/cpu/log_sum_exp.h says how torch's are followed.
LogNormalizer log_normalizer(std::span<const float> logits);

}  // namespace instructblip
