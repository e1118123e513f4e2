#include "config/tiling.h"

#include <algorithm>
#include <cmath>

namespace instructblip {
namespace {

double quotient(std::int64_t a, std::int64_t b) {
  return static_cast<double>(a) / static_cast<double>(b);
}

std::int64_t cut(double x) { return static_cast<std::int64_t>(x); }

// Python's int(round(x, 7)) of a number that is not negative: what lies within half a step of the
// seventh digit below a whole number becomes it.
std::int64_t cut_when_rounded(double x) {
  constexpr double kHalfStep = 5e-8;
  const double below = std::floor(x);
  return static_cast<std::int64_t>(below + 1 - x <= kHalfStep ? below + 1 : below);
}

struct Kept {
  std::int64_t first, count;
};

// The middle ones of `all` positions along one axis; a margin that is odd loses its half.
Kept middle(std::int64_t all, std::int64_t wanted) {
  const std::int64_t margin = (all - wanted) / 2;
  return {margin, all - 2 * margin};
}

}  // namespace

PictureSize best_resolution(const PictureSize& picture, std::span<const PictureSize> grid) {
  PictureSize best = grid.front();
  std::int64_t most = -1, least_wasted = 0;
  for (const PictureSize& candidate : grid) {
    const double scale = std::min(quotient(candidate.width, picture.width),
                                  quotient(candidate.height, picture.height));
    const std::int64_t width = cut(static_cast<double>(picture.width) * scale);
    const std::int64_t height = cut(static_cast<double>(picture.height) * scale);
    const std::int64_t kept = std::min(width * height, picture.width * picture.height);
    const std::int64_t wasted = candidate.width * candidate.height - kept;
    if (kept > most || (kept == most && wasted < least_wasted)) {
      best = candidate;
      most = kept;
      least_wasted = wasted;
    }
  }
  return best;
}

PictureSize fitted(const PictureSize& picture, const PictureSize& resolution) {
  const double across = quotient(resolution.width, picture.width);
  const double down = quotient(resolution.height, picture.height);
  if (across < down) {
    const double height = std::ceil(static_cast<double>(picture.height) * across);
    return {std::min(cut(height), resolution.height), resolution.width};
  }
  const double width = std::ceil(static_cast<double>(picture.width) * down);
  return {resolution.height, std::min(cut(width), resolution.width)};
}

TileLayout layout_of(const TilingConfig& tiling, const PictureSize& picture) {
  const PictureSize resolution = best_resolution(picture, tiling.grid);
  TileLayout layout{};
  layout.rows = resolution.height / tiling.side;
  layout.columns = resolution.width / tiling.side;
  const std::int64_t height = layout.rows * tiling.patches;
  const std::int64_t width = layout.columns * tiling.patches;
  Kept rows{0, height}, columns{0, width};
  if (quotient(picture.width, picture.height) > quotient(width, height)) {
    const double scale = quotient(width, picture.width);
    rows = middle(height, cut_when_rounded(static_cast<double>(picture.height) * scale));
  } else {
    const double scale = quotient(height, picture.height);
    columns = middle(width, cut_when_rounded(static_cast<double>(picture.width) * scale));
  }
  layout.first_row = rows.first;
  layout.kept_rows = rows.count;
  layout.first_column = columns.first;
  layout.kept_columns = columns.count;
  return layout;
}

}  // namespace instructblip
