// Bicubic resizing of 8-bit RGB, equal to the bit with the library that ResizeMode names.
#pragma once

#include <cstdint>
#include <vector>

#include "image/bicubic_filter.h"
#include "instructblip/image.h"
#include "kernels/queue.h"

namespace instructblip {

struct Sides {
  int height, width;
};

// Which pass comes first shows, for the result of the first is rounded to 8 bits.
bool vertical_pass_first(const Sides& from, const Sides& to, ResizeMode mode);

// A part of a picture.
struct PixelWindow {
  PixelRange rows, columns;
};

// How a picture is resized: like which library (never `automatic`), and by which threads.
struct ResizeBy {
  ResizeBy(ResizeMode as, kernels::Queue* threads = nullptr)  // NOLINT(google-explicit-constructor)
      : mode(as), queue(threads) {}
  ResizeMode mode;
  kernels::Queue* queue;  // null: the calling thread alone
};

// Returns the whole picture, [height, width, 3] without padding. `image` is not empty; both sizes
// are at least 1.
std::vector<std::uint8_t> resize_bicubic(const Image& image, int height, int width,
                                         const ResizeBy& by);

// The same bytes, of the rows and columns in `window` alone: what lies outside, which may be
// thousands of times as much, is not worked out.
std::vector<std::uint8_t> resize_bicubic(const Image& image, int height, int width,
                                         const ResizeBy& by, const PixelWindow& window);

}  // namespace instructblip
