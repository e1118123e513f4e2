#include "image/heat_map.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace instructblip {
namespace {

// A. Mikhailov, "Turbo, An Improved Rainbow Colormap for Visualization", 2019: its polynomials of
// the fifth degree, for x from 0 to 1.
std::array<double, 3> turbo(double x) {
  constexpr std::array<std::array<double, 6>, 3> kTerms = {
      {{0.13572138, 4.61539260, -42.66032258, 132.13108234, -152.94239396, 59.28637943},
       {0.09140261, 2.19418839, 4.84296658, -14.18503333, 4.27729857, 2.82956604},
       {0.10667330, 12.64194608, -60.58204836, 110.36276771, -89.90310912, 27.34824973}}};
  std::array<double, 3> color{};
  for (std::size_t c = 0; c < color.size(); ++c) {
    for (std::size_t term = kTerms[c].size(); term-- > 0;)
      color[c] = color[c] * x + kTerms[c][term];
    color[c] = std::clamp(color[c], 0.0, 1.0);
  }
  return color;
}

// What lies between two cells of an axis: how much of the second, and which they are.
struct Between {
  std::size_t first, second;
  double share;
};

// The place of the middle of a pixel among `count` cells over `length` from `begin` on.
Between between(int pixel, double begin, double length, int count) {
  const double at = std::clamp((pixel + 0.5 - begin) / length * count - 0.5, 0.0, count - 1.0);
  const auto first = static_cast<std::size_t>(at);
  return {first, std::min(first + 1, static_cast<std::size_t>(count) - 1),
          at - static_cast<double>(first)};
}

bool is_inside(int pixel, double begin, double length) {
  return pixel + 0.5 >= begin && pixel + 0.5 < begin + length;
}

constexpr double kLeastMixed = 0.15, kMostMixed = 0.7;

}  // namespace

Image draw_heat_map(const Image& picture, std::span<const float> weights, int rows, int columns,
                    const Region& region) {
  const double most = *std::ranges::max_element(weights);
  const auto width = static_cast<std::size_t>(columns);
  const auto value = [&](const Between& y, const Between& x) {
    const float* const above = weights.data() + y.first * width;
    const float* const below = weights.data() + y.second * width;
    const double top = std::lerp(above[x.first], above[x.second], x.share);
    return std::lerp(top, std::lerp(below[x.first], below[x.second], x.share), y.share) / most;
  };
  std::vector<std::uint8_t> rgb;
  rgb.reserve(static_cast<std::size_t>(picture.width()) * picture.height() * 3);
  for (int y = 0; y < picture.height(); ++y) {
    const Between row = between(y, region.top, region.height, rows);
    for (int x = 0; x < picture.width(); ++x) {
      const std::uint8_t* const pixel = picture.row(y) + std::ptrdiff_t{3} * x;
      const bool inside = is_inside(x, region.left, region.width) &&
                          is_inside(y, region.top, region.height) && most > 0;
      if (!inside) {
        rgb.insert(rgb.end(), pixel, pixel + 3);
        continue;
      }
      const double heat = value(row, between(x, region.left, region.width, columns));
      const double mixed = std::lerp(kLeastMixed, kMostMixed, heat);
      const std::array<double, 3> color = turbo(heat);
      for (std::size_t c = 0; c < 3; ++c) {
        rgb.push_back(static_cast<std::uint8_t>(std::lerp(pixel[c], color[c] * 255, mixed) + 0.5));
      }
    }
  }
  return Image::adopt(std::move(rgb), picture.width(), picture.height());
}

}  // namespace instructblip
