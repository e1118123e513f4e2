// Operations as plain loops in double precision: what kernels and stages compute is judged by them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>
#include <numeric>
#include <span>
#include <vector>

namespace instructblip::test {

inline double sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }

inline double mean_of(std::span<const float> x) {
  double sum = 0.0;
  for (const float value : x) sum += value;
  return sum / static_cast<double>(x.size());
}

// (x - mean) / sqrt(variance + eps) * weight + bias, with the biased variance. weight and bias may
// be empty.
inline std::vector<double> layer_norm(std::span<const float> x, std::span<const float> weight,
                                      std::span<const float> bias, double eps) {
  const double mean = mean_of(x);
  double variance = 0.0;
  for (const float value : x) variance += (value - mean) * (value - mean);
  variance /= static_cast<double>(x.size());
  std::vector<double> y;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double normal = (x[i] - mean) / std::sqrt(variance + eps);
    y.push_back(weight.empty() ? normal : normal * weight[i] + bias[i]);
  }
  return y;
}

// x / sqrt(mean(x^2) + eps) * weight.
inline std::vector<double> rms_norm(std::span<const float> x, std::span<const float> weight,
                                    double eps) {
  double sum = 0.0;
  for (const float value : x) sum += static_cast<double>(value) * value;
  const double size = std::sqrt(sum / static_cast<double>(x.size()) + eps);
  std::vector<double> y;
  for (std::size_t i = 0; i < x.size(); ++i) y.push_back(x[i] / size * weight[i]);
  return y;
}

// x [d], d even, turned by position * theta^(-2j/d) in the plane of dimensions j and j + d/2.
inline std::vector<double> rotary(std::span<const float> x, std::int64_t position, double theta) {
  const std::size_t half = x.size() / 2;
  std::vector<double> y(x.size());
  for (std::size_t j = 0; j < half; ++j) {
    const double exponent = static_cast<double>(j) / static_cast<double>(half);
    const double angle = static_cast<double>(position) * std::pow(theta, -exponent);
    y[j] = x[j] * std::cos(angle) - x[j + half] * std::sin(angle);
    y[j + half] = x[j + half] * std::cos(angle) + x[j] * std::sin(angle);
  }
  return y;
}

struct Buckets {
  std::int64_t count;
  std::int64_t max_distance;
  bool both_directions;  // encoder; else decoder, which sees nothing later
};

// The bucket of T5's relative positions, key - query, as a number whose whole part it is: where
// that is close to whole, rounding decides.
inline double relative_bucket(std::int64_t key_minus_query, const Buckets& buckets) {
  std::int64_t count = buckets.count;
  double base = 0.0;
  std::int64_t distance = std::max<std::int64_t>(0, -key_minus_query);
  if (buckets.both_directions) {
    count /= 2;
    if (key_minus_query > 0) base = static_cast<double>(count);
    distance = std::abs(key_minus_query);
  }
  const std::int64_t exact = count / 2;  // buckets of one distance each
  if (distance < exact) return base + static_cast<double>(distance);
  const auto ratio = [&](std::int64_t d) {
    return std::log(static_cast<double>(d) / static_cast<double>(exact));
  };
  const double more =
      ratio(distance) / ratio(buckets.max_distance) * static_cast<double>(count - exact);
  return base + std::min(static_cast<double>(exact) + more, static_cast<double>(count - 1));
}

// What one query makes of the keys and values that it sees: softmax(q k^T / divisor + bias) v.
struct AttentionInput {
  std::span<const float> query;            // [d]
  std::vector<const float*> keys, values;  // each [d]
  std::vector<double> bias;                // one for each key, or empty
  double divisor;
};
inline std::vector<double> attention(const AttentionInput& in) {
  std::vector<double> weights;
  for (std::size_t j = 0; j < in.keys.size(); ++j) {
    double sum = 0.0;
    for (std::size_t i = 0; i < in.query.size(); ++i) {
      sum += static_cast<double>(in.query[i]) * in.keys[j][i];
    }
    weights.push_back(sum / in.divisor + (in.bias.empty() ? 0.0 : in.bias[j]));
  }
  const double max = *std::ranges::max_element(weights);
  for (double& weight : weights) weight = std::exp(weight - max);
  const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  std::vector<double> out(in.query.size());
  for (std::size_t j = 0; j < in.values.size(); ++j) {
    for (std::size_t i = 0; i < out.size(); ++i) out[i] += weights[j] / total * in.values[j][i];
  }
  return out;
}

// x/2 (1 + erf(x / sqrt 2))
inline double gelu(double x) { return x / 2 * std::erfc(-x / std::numbers::sqrt2); }

// x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))
inline double gelu_new(double x) {
  // 1 + tanh(z) without the cancellation.
  return x * sigmoid(2 * std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x));
}

inline double quick_gelu(double x) { return x * sigmoid(1.702 * x); }
inline double silu(double x) { return x * sigmoid(x); }
inline double relu(double x) { return std::max(x, 0.0); }

// The indices of the `count` largest values, largest first, of equal ones the lowest index first.
inline std::vector<std::int64_t> top_k(std::span<const float> values, std::int64_t count) {
  std::vector<std::int64_t> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, [&](std::int64_t a, std::int64_t b) {
    return values[static_cast<std::size_t>(a)] > values[static_cast<std::size_t>(b)];
  });
  order.resize(static_cast<std::size_t>(count));
  return order;
}

}  // namespace instructblip::test
