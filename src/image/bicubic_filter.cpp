#include "image/bicubic_filter.h"

#include <algorithm>
#include <cmath>

namespace instructblip {
namespace {

constexpr double kA = -0.5;  // OpenCV's and torch's cubic without antialiasing use -0.75
constexpr int kPillowPrecision = 22;

// The order of operations is Pillow's: another one rounds differently.
double cubic(double x) {
  x = std::abs(x);
  if (x < 1.0) return ((kA + 2.0) * x - (kA + 3.0)) * x * x + 1;
  if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * kA;
  return 0.0;
}

// ATen's separable uint8 kernel holds weights in int16.
int torchvision_precision(double largest_weight) {
  int precision = 0;
  while (precision < kPillowPrecision) {
    const auto next = static_cast<int>(0.5 + largest_weight * (1 << (precision + 1)));
    if (next >= 1 << 15) break;
    ++precision;
  }
  return precision;
}

std::int32_t fixed_point(double weight, int precision) {
  return static_cast<std::int32_t>((weight < 0 ? -0.5 : 0.5) + weight * (1 << precision));
}

}  // namespace

BicubicFilter bicubic_filter(int in, int out, FilterPrecision precision) {
  const double scale = static_cast<double>(in) / out;
  const double filter_scale = std::max(scale, 1.0);
  const double support = 2.0 * filter_scale;
  const double inverse = 1.0 / filter_scale;

  BicubicFilter filter;
  filter.taps = static_cast<int>(std::ceil(support)) * 2 + 1;
  filter.first.resize(static_cast<std::size_t>(out));
  filter.count.resize(static_cast<std::size_t>(out));
  std::vector<double> weights(static_cast<std::size_t>(out) *
                              static_cast<std::size_t>(filter.taps));
  double largest = 0;
  for (int i = 0; i < out; ++i) {
    const double center = (i + 0.5) * scale;
    const int first = std::max(static_cast<int>(center - support + 0.5), 0);
    const int count = std::min(static_cast<int>(center + support + 0.5), in) - first;
    double* w = &weights[static_cast<std::size_t>(i) * static_cast<std::size_t>(filter.taps)];
    double sum = 0;
    for (int t = 0; t < count; ++t) {
      w[t] = cubic((t + first - center + 0.5) * inverse);
      sum += w[t];
    }
    for (int t = 0; t < count; ++t) {
      if (sum != 0) w[t] /= sum;
      largest = std::max(largest, w[t]);
    }
    filter.first[static_cast<std::size_t>(i)] = first;
    filter.count[static_cast<std::size_t>(i)] = count;
  }

  filter.precision =
      precision == FilterPrecision::pillow ? kPillowPrecision : torchvision_precision(largest);
  filter.weights.resize(weights.size());
  std::transform(weights.begin(), weights.end(), filter.weights.begin(),
                 [&](double w) { return fixed_point(w, filter.precision); });
  return filter;
}

}  // namespace instructblip
