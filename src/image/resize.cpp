#include "image/resize.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "image/bicubic_filter.h"
#include "kernels/resample.h"

namespace instructblip {
namespace {

constexpr int kChannels = 3;

std::vector<std::uint8_t> resample(const Image& image, const BicubicFilter& filter,
                                   kernels::ResampleProblem::Axis axis, kernels::Queue* queue) {
  const bool horizontal = axis == kernels::ResampleProblem::Axis::horizontal;
  const auto outputs = static_cast<int>(filter.first.size());
  const kernels::ResampleProblem problem{.axis = axis,
                                         .height = image.height(),
                                         .width = image.width(),
                                         .outputs = outputs,
                                         .taps = filter.taps,
                                         .precision = filter.precision};
  const auto kept = static_cast<std::size_t>(horizontal ? image.height() : image.width());
  std::vector<std::uint8_t> out(kChannels * kept * filter.first.size());
  kernels::SerialQueue serial;
  kernels::choose(kernels::resample_kernels(), problem)
      ->run(problem,
            {.in = image.row(0),
             .stride = image.stride(),
             .first = filter.first.data(),
             .count = filter.count.data(),
             .weights = filter.weights.data(),
             .out = out.data()},
            queue == nullptr ? serial : *queue);
  return out;
}

// One direction of the resizing: the filter, and the input positions that it needs.
struct Pass {
  bool changes;  // a side that keeps its length is not filtered: all three libraries skip it
  PixelRange inputs;
  BicubicFilter filter;  // positions count from inputs.begin

  Pass(int in, int out, PixelRange wanted, FilterPrecision precision)
      : changes(in != out), inputs(wanted) {
    if (!changes) return;
    filter = bicubic_filter(in, out, wanted, precision);
    inputs = filter.inputs();
    for (std::int32_t& first : filter.first) first -= inputs.begin;
  }
};

}  // namespace

// Pillow 13's src/libImaging/Resample.c.
bool vertical_pass_first(const Sides& from, const Sides& to, ResizeMode mode) {
  return mode == ResizeMode::pillow13 &&
         from.height - to.height > 2 * std::max(0, from.width - to.width);
}

std::vector<std::uint8_t> resize_bicubic(const Image& image, int height, int width,
                                         const ResizeBy& by) {
  return resize_bicubic(image, height, width, by, {{0, height}, {0, width}});
}

std::vector<std::uint8_t> resize_bicubic(const Image& image, int height, int width,
                                         const ResizeBy& by, const PixelWindow& window) {
  using Axis = kernels::ResampleProblem::Axis;
  const FilterPrecision precision =
      by.mode == ResizeMode::torchvision ? FilterPrecision::torchvision : FilterPrecision::pillow;
  const Pass vertical(image.height(), height, window.rows, precision);
  const Pass horizontal(image.width(), width, window.columns, precision);
  const auto filter_columns = [&](const Image& in) {  // [in_h, in_w, C] -> [out_h, in_w, C]
    return Image::adopt(resample(in, vertical.filter, Axis::vertical, by.queue), in.width(),
                        window.rows.size());
  };
  const auto filter_rows = [&](const Image& in) {  // [in_h, in_w, C] -> [in_h, out_w, C]
    return Image::adopt(resample(in, horizontal.filter, Axis::horizontal, by.queue),
                        window.columns.size(), in.height());
  };

  Image result = Image::view(image.row(vertical.inputs.begin) + kChannels * horizontal.inputs.begin,
                             horizontal.inputs.size(), vertical.inputs.size(), image.stride());
  const Sides from{image.height(), image.width()};
  if (vertical.changes && vertical_pass_first(from, {height, width}, by.mode)) {
    result = filter_columns(result);
    if (horizontal.changes) result = filter_rows(result);
  } else {
    if (horizontal.changes) result = filter_rows(result);
    if (vertical.changes) result = filter_columns(result);
  }

  const auto row_bytes = static_cast<std::size_t>(kChannels * window.columns.size());
  std::vector<std::uint8_t> rgb(row_bytes * static_cast<std::size_t>(window.rows.size()));
  for (int y = 0; y < window.rows.size(); ++y) {
    std::memcpy(&rgb[static_cast<std::size_t>(y) * row_bytes], result.row(y), row_bytes);
  }
  return rgb;
}

}  // namespace instructblip
