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

// One axis of a picture being resized, in Pillow's arithmetic.
class Axis {
 public:
  Axis(int in, int out)
      : in_(in),
        out_(out),
        scale_(static_cast<double>(in) / out),
        support_(2.0 * std::max(scale_, 1.0)),
        inverse_(1.0 / std::max(scale_, 1.0)) {}

  int taps() const { return static_cast<int>(std::ceil(support_)) * 2 + 1; }

  // What output position `i` is made of.
  PixelRange inputs_of(int i) const {
    const double center = center_of(i);
    return {std::max(static_cast<int>(center - support_ + 0.5), 0),
            std::min(static_cast<int>(center + support_ + 0.5), in_)};
  }

  void weigh(int i, PixelRange inputs, double* w) const {
    const double center = center_of(i);
    double sum = 0;
    for (int t = 0; t < inputs.size(); ++t) {
      w[t] = cubic((t + inputs.begin - center + 0.5) * inverse_);
      sum += w[t];
    }
    for (int t = 0; sum != 0 && t < inputs.size(); ++t) w[t] /= sum;
  }

  double largest_weight() const {
    std::vector<double> w(static_cast<std::size_t>(taps()));
    double largest = 0;
    for (int i = 0; i < out_; ++i) {
      const PixelRange inputs = inputs_of(i);
      weigh(i, inputs, w.data());
      largest = std::max(largest, *std::max_element(w.begin(), w.begin() + inputs.size()));
    }
    return largest;
  }

 private:
  double center_of(int i) const { return (i + 0.5) * scale_; }

  int in_, out_;
  double scale_, support_, inverse_;
};

}  // namespace

BicubicFilter bicubic_filter(int in, int out, PixelRange wanted, FilterPrecision precision) {
  const Axis axis(in, out);
  const auto size = static_cast<std::size_t>(wanted.size());
  const auto taps = static_cast<std::size_t>(axis.taps());
  BicubicFilter filter;
  filter.taps = axis.taps();
  filter.first.resize(size);
  filter.count.resize(size);
  std::vector<double> weights(size * taps);
  for (std::size_t i = 0; i < size; ++i) {
    const int position = wanted.begin + static_cast<int>(i);
    const PixelRange inputs = axis.inputs_of(position);
    axis.weigh(position, inputs, &weights[i * taps]);
    filter.first[i] = inputs.begin;
    filter.count[i] = inputs.size();
  }

  filter.precision = precision == FilterPrecision::pillow
                         ? kPillowPrecision
                         : torchvision_precision(axis.largest_weight());
  filter.weights.resize(weights.size());
  std::transform(weights.begin(), weights.end(), filter.weights.begin(),
                 [&](double w) { return fixed_point(w, filter.precision); });
  return filter;
}

PixelRange BicubicFilter::inputs() const { return {first.front(), first.back() + count.back()}; }

}  // namespace instructblip
