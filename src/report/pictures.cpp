// Pictures of an explanation.
#include <algorithm>
#include <cmath>

#include "core/boundary.h"
#include "core/file.h"
#include "image/heat_map.h"
#include "image/png_encoder.h"
#include "instructblip/explain.h"

namespace instructblip {
namespace {

void check_picture(const Image& picture) {
  if (!picture.empty()) return;
  throw Error(ErrorCode::invalid_argument, "the picture is empty, expected one with pixels");
}

void check_weights(std::span<const float> weights, int rows, int columns) {
  if (rows < 1 || columns < 1 || std::ssize(weights) != std::ptrdiff_t{rows} * columns) {
    throw Error(ErrorCode::invalid_argument, "heat_map: expected weights [rows, columns], got " +
                                                 std::to_string(weights.size()) + " for " +
                                                 std::to_string(rows) + " x " +
                                                 std::to_string(columns));
  }
  const auto bad = std::ranges::find_if_not(
      weights, [](float value) { return std::isfinite(value) && value >= 0; });
  if (bad == weights.end()) return;
  throw Error(ErrorCode::invalid_argument,
              "heat_map: expected weights of at least 0, got " + std::to_string(*bad));
}

}  // namespace

Image heat_map(const Image& picture, std::span<const float> weights, int rows, int columns,
               const SeenRegion& region) {
  return at_boundary([&] {
    check_picture(picture);
    check_weights(weights, rows, columns);
    const bool whole = region.width <= 0 || region.height <= 0;
    const Region place = whole ? Region{0, 0, static_cast<double>(picture.width()),
                                        static_cast<double>(picture.height())}
                               : Region{region.left, region.top, region.width, region.height};
    return draw_heat_map(picture, weights, rows, columns, place);
  });
}

void save_png(const Image& image, const std::filesystem::path& file) {
  at_boundary([&] {
    check_picture(image);
    const std::vector<std::uint8_t> bytes = encode_png(image);
    write_file_atomically(file,
                          [&](const ByteSink& sink) { sink(std::as_bytes(std::span(bytes))); });
  });
}

}  // namespace instructblip
