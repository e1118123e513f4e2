// How far an attention with weights of 16 bits may be from one in double precision.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "emulator/half_numbers.h"
#include "support/operations.h"

namespace instructblip::emulator {

// Weights are rounded to T before they meet values, sums once more; scores are sums of float32.
template <class T>
std::vector<double> attention_error(const test::AttentionInput& seen,
                                    const std::vector<double>& want) {
  const std::size_t width = seen.query.size();
  double score = 0.0;
  for (const float* key : seen.keys) {
    double sum = 0.0;
    for (std::size_t i = 0; i < width; ++i) sum += std::abs(double{seen.query[i]} * key[i]);
    score = std::max(score, sum / seen.divisor);
  }
  std::vector<std::vector<float>> magnitudes;
  test::AttentionInput absolute = seen;
  absolute.values.clear();
  for (const float* value : seen.values) magnitudes.emplace_back(value, value + width);
  for (auto& value : magnitudes) {
    for (float& v : value) v = std::abs(v);
    absolute.values.push_back(value.data());
  }
  std::vector<double> error = test::attention(absolute);
  for (std::size_t i = 0; i < width; ++i) {
    error[i] = error[i] * (kRoundingOf<T> + 1e-6 * (score + 8)) +
               kRoundingOf<T> * std::abs(want[i]) + 1e-6;
  }
  return error;
}

}  // namespace instructblip::emulator
