// How far off an attention in float32 may be, from the number of its roundings.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/numbers.h"
#include "support/operations.h"

namespace instructblip::kernels {

// `exp_units`: what exp is off, in units in the last place. `rounds`: multiplications of what has
// been added up so far, where the largest score is not known beforehand.
struct AttentionRoundings {
  double exp_units = 1.0;
  std::int64_t rounds = 0;
};

// A score is off by the roundings of its sum, its division and its bias; a weight by twice that
// (its score and the largest one), by the rounding of their difference, and by exp. Numerator and
// denominator are each off by that much and by their additions.
inline std::vector<double> attention_bound(const test::AttentionInput& seen,
                                           const AttentionRoundings& how = {}) {
  const std::size_t width = seen.query.size();
  const auto count = static_cast<std::int64_t>(seen.keys.size());
  std::vector<double> scores;
  double off = 0.0;
  for (std::size_t j = 0; j < seen.keys.size(); ++j) {
    double sum = 0.0, size = 0.0;
    for (std::size_t i = 0; i < width; ++i) {
      const double term = static_cast<double>(seen.query[i]) * seen.keys[j][i];
      sum += term;
      size += std::fabs(term);
    }
    const double bias = seen.bias.empty() ? 0.0 : seen.bias[j];
    scores.push_back(sum / seen.divisor + bias);
    off = std::max(off, roundings(static_cast<std::int64_t>(width) + 4) *
                            (size / seen.divisor + std::fabs(bias)));
  }
  const double max = *std::max_element(scores.begin(), scores.end());
  std::vector<double> bound(width), sizes(width), offs(width);
  double total = 0.0, total_off = 0.0;
  for (std::size_t j = 0; j < seen.keys.size(); ++j) {
    const double weight = std::exp(scores[j] - max);
    const double weight_off = weight * (std::expm1(2 * off) + kRounding * (max - scores[j]) +
                                        (2 * how.exp_units + 1) * kRounding) +
                              0x1p-126;
    total += weight;
    total_off += weight_off;
    for (std::size_t i = 0; i < width; ++i) {
      sizes[i] += weight * std::fabs(seen.values[j][i]);
      offs[i] += weight_off * std::fabs(seen.values[j][i]);
    }
  }
  const double added = roundings(count + 2 + how.rounds);
  for (std::size_t i = 0; i < width; ++i) {
    const double numerator = offs[i] + added * (sizes[i] + offs[i]);
    const double denominator = total_off + added * (total + total_off);
    bound[i] = (numerator + sizes[i] / total * denominator) / (total - denominator) +
               2 * kRounding * sizes[i] / total + underflow(count);
  }
  return bound;
}

}  // namespace instructblip::kernels
