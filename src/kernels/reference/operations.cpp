#include "kernels/reference/operations.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <numeric>

namespace instructblip::kernels::reference {
namespace {

double sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }

double mean_of(std::span<const float> x) {
  double sum = 0.0;
  for (const float value : x) sum += value;
  return sum / static_cast<double>(x.size());
}

}  // namespace

std::vector<double> layer_norm(std::span<const float> x, std::span<const float> weight,
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

std::vector<double> rms_norm(std::span<const float> x, std::span<const float> weight, double eps) {
  double sum = 0.0;
  for (const float value : x) sum += static_cast<double>(value) * value;
  const double size = std::sqrt(sum / static_cast<double>(x.size()) + eps);
  std::vector<double> y;
  for (std::size_t i = 0; i < x.size(); ++i) y.push_back(x[i] / size * weight[i]);
  return y;
}

std::vector<double> rotary(std::span<const float> x, std::int64_t position, double theta) {
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

double relative_bucket(std::int64_t key_minus_query, const Buckets& buckets) {
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

std::vector<double> attention(const Seen& seen) {
  std::vector<double> weights;
  for (std::size_t j = 0; j < seen.keys.size(); ++j) {
    double sum = 0.0;
    for (std::size_t i = 0; i < seen.query.size(); ++i) {
      sum += static_cast<double>(seen.query[i]) * seen.keys[j][i];
    }
    weights.push_back(sum / seen.divisor + (seen.bias.empty() ? 0.0 : seen.bias[j]));
  }
  const double max = *std::ranges::max_element(weights);
  for (double& weight : weights) weight = std::exp(weight - max);
  const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  std::vector<double> out(seen.query.size());
  for (std::size_t j = 0; j < seen.values.size(); ++j) {
    for (std::size_t i = 0; i < out.size(); ++i) out[i] += weights[j] / total * seen.values[j][i];
  }
  return out;
}

double gelu(double x) { return x / 2 * std::erfc(-x / std::numbers::sqrt2); }
double gelu_new(double x) {
  // 1 + tanh(z) without the cancellation.
  return x * sigmoid(2 * std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x));
}
double quick_gelu(double x) { return x * sigmoid(1.702 * x); }
double silu(double x) { return x * sigmoid(x); }
double relu(double x) { return std::max(x, 0.0); }

std::vector<std::int64_t> top_k(std::span<const float> values, std::int64_t count) {
  std::vector<std::int64_t> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, [&](std::int64_t a, std::int64_t b) {
    return values[static_cast<std::size_t>(a)] > values[static_cast<std::size_t>(b)];
  });
  order.resize(static_cast<std::size_t>(count));
  return order;
}

}  // namespace instructblip::kernels::reference
