#include "image/resize.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <span>

#include "image/bicubic_filter.h"

// The compiler's vectors, chosen at run time. Not under sanitizers: the resolver runs before they
// do.
#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define INSTRUCTBLIP_VECTOR_CLONES __attribute__((target_clones("avx2", "default")))
#else
#define INSTRUCTBLIP_VECTOR_CLONES
#endif

namespace instructblip {
namespace {

// C channels (3) | rows are of C * width bytes
//
// A weight has 23 bits and a sign, more than the 16 that fast multipliers take. It is split into
// high * 2^kSplit + low, both 16 bits, and the sums are put together modulo 2^32, where the whole
// fits.
constexpr int kChannels = 3;
constexpr int kSplit = 14;
constexpr int kTapGroup = 16;  // taps are filled up with zeros to a multiple of it: one AVX2 vector
constexpr int kTapBlock = 256;  // 255 * 2^kSplit * kTapBlock < 2^31

// The weights of a filter, regrouped for filter_row().
struct RowFilter {
  int taps;  // of each output position, a multiple of kTapGroup
  int precision;
  std::vector<std::int32_t> first;
  std::vector<std::int16_t> high, low;  // [out, taps]

  explicit RowFilter(const BicubicFilter& filter)
      : taps((filter.taps + kTapGroup - 1) / kTapGroup * kTapGroup),
        precision(filter.precision),
        first(filter.first),
        high(filter.first.size() * static_cast<std::size_t>(taps)),
        low(high.size()) {
    for (std::size_t i = 0; i < first.size(); ++i) {
      for (std::size_t t = 0; t < static_cast<std::size_t>(filter.taps); ++t) {
        const std::int32_t w = filter.weights[i * static_cast<std::size_t>(filter.taps) + t];
        high[i * static_cast<std::size_t>(taps) + t] = static_cast<std::int16_t>(w >> kSplit);
        low[i * static_cast<std::size_t>(taps) + t] =
            static_cast<std::int16_t>(w & ((1 << kSplit) - 1));
      }
    }
  }
};

inline std::uint8_t rounded(std::uint32_t sum, int precision) {
  const std::int32_t value = static_cast<std::int32_t>(sum + (1U << precision >> 1)) >> precision;
  return static_cast<std::uint8_t>(std::clamp(value, 0, 255));
}

// One row, R G B R G B ..., into three planes of 16-bit values.
INSTRUCTBLIP_VECTOR_CLONES
void split_channels(const std::uint8_t* row, int width, std::int16_t* red, std::int16_t* green,
                    std::int16_t* blue) {
  for (int x = 0; x < width; ++x) {
    red[x] = row[3 * x];
    green[x] = row[3 * x + 1];
    blue[x] = row[3 * x + 2];
  }
}

// One row: planes [C, plane_size] of 16-bit values, zeros after the width, to out [out_w, C].
INSTRUCTBLIP_VECTOR_CLONES
void filter_row(const std::int16_t* planes, std::ptrdiff_t plane_size, const RowFilter& filter,
                std::uint8_t* out) {
  const auto size = static_cast<std::ptrdiff_t>(filter.first.size());
  for (std::ptrdiff_t i = 0; i < size; ++i) {
    for (int channel = 0; channel < kChannels; ++channel) {
      const std::int16_t* in =
          planes + channel * plane_size + filter.first[static_cast<std::size_t>(i)];
      const std::int16_t* high = filter.high.data() + i * filter.taps;
      const std::int16_t* low = filter.low.data() + i * filter.taps;
      std::uint32_t sum = 0;
      for (int begin = 0; begin < filter.taps; begin += kTapBlock) {
        const int end = std::min(filter.taps, begin + kTapBlock);
        std::int32_t high_sum = 0;
        std::int32_t low_sum = 0;
        for (int t = begin; t < end; ++t) {
          high_sum += high[t] * in[t];
          low_sum += low[t] * in[t];
        }
        sum +=
            (static_cast<std::uint32_t>(high_sum) << kSplit) + static_cast<std::uint32_t>(low_sum);
      }
      out[i * kChannels + channel] = rounded(sum, filter.precision);
    }
  }
}

// One output row of `size` bytes from as many input rows as there are weights.
INSTRUCTBLIP_VECTOR_CLONES
void filter_column(const std::uint8_t* const* rows, std::span<const std::int32_t> weights,
                   int precision, int size, std::uint8_t* out) {
  const std::size_t count = weights.size();
  constexpr int kBlock = 64;  // sums stay in registers
  int begin = 0;
  for (; begin + kBlock <= size; begin += kBlock) {
    std::uint32_t sums[kBlock] = {};
    for (std::size_t t = 0; t < count; ++t) {
      const std::uint8_t* in = rows[t] + begin;
      const auto weight = static_cast<std::uint32_t>(weights[t]);
      for (int i = 0; i < kBlock; ++i) sums[i] += weight * in[i];
    }
    for (int i = 0; i < kBlock; ++i) out[begin + i] = rounded(sums[i], precision);
  }
  for (; begin < size; ++begin) {
    std::uint32_t sum = 0;
    for (std::size_t t = 0; t < count; ++t) {
      sum += static_cast<std::uint32_t>(weights[t]) * rows[t][begin];
    }
    out[begin] = rounded(sum, precision);
  }
}

// [in_h, in_w, C] -> [in_h, out_w, C]
std::vector<std::uint8_t> filter_horizontally(const Image& image, const BicubicFilter& weights) {
  const RowFilter filter(weights);
  const std::size_t out_row = kChannels * filter.first.size();
  const auto plane = static_cast<std::size_t>(image.width() + filter.taps);
  std::vector<std::int16_t> planes(kChannels * plane);
  std::vector<std::uint8_t> out(out_row * static_cast<std::size_t>(image.height()));
  for (int y = 0; y < image.height(); ++y) {
    split_channels(image.row(y), image.width(), planes.data(), planes.data() + plane,
                   planes.data() + 2 * plane);
    filter_row(planes.data(), static_cast<std::ptrdiff_t>(plane), filter,
               &out[static_cast<std::size_t>(y) * out_row]);
  }
  return out;
}

// [in_h, in_w, C] -> [out_h, in_w, C]
std::vector<std::uint8_t> filter_vertically(const Image& image, const BicubicFilter& filter) {
  const int row = kChannels * image.width();
  std::vector<std::uint8_t> out(filter.first.size() * static_cast<std::size_t>(row));
  std::vector<const std::uint8_t*> rows(static_cast<std::size_t>(filter.taps));
  for (std::size_t i = 0; i < filter.first.size(); ++i) {
    const int count = filter.count[i];
    for (int t = 0; t < count; ++t) {
      rows[static_cast<std::size_t>(t)] = image.row(filter.first[i] + t);
    }
    const auto weights =
        std::span(filter.weights)
            .subspan(i * static_cast<std::size_t>(filter.taps), static_cast<std::size_t>(count));
    filter_column(rows.data(), weights, filter.precision, row,
                  &out[i * static_cast<std::size_t>(row)]);
  }
  return out;
}

// One direction of the resizing: the filter, and the input positions that it needs.
struct Pass {
  bool changes;  // a side that keeps its length is not filtered: all three libraries skip it
  PixelRange inputs;
  BicubicFilter filter;  // of positions counted from inputs.begin

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
                                         ResizeMode mode) {
  return resize_bicubic(image, height, width, mode, {{0, height}, {0, width}});
}

std::vector<std::uint8_t> resize_bicubic(const Image& image, int height, int width, ResizeMode mode,
                                         const PixelWindow& window) {
  const FilterPrecision precision =
      mode == ResizeMode::torchvision ? FilterPrecision::torchvision : FilterPrecision::pillow;
  const Pass vertical(image.height(), height, window.rows, precision);
  const Pass horizontal(image.width(), width, window.columns, precision);
  const auto filter_columns = [&](const Image& in) {
    return Image::adopt(filter_vertically(in, vertical.filter), in.width(), window.rows.size());
  };
  const auto filter_rows = [&](const Image& in) {
    return Image::adopt(filter_horizontally(in, horizontal.filter), window.columns.size(),
                        in.height());
  };

  Image result = Image::view(image.row(vertical.inputs.begin) + kChannels * horizontal.inputs.begin,
                             horizontal.inputs.size(), vertical.inputs.size(), image.stride());
  const Sides from{image.height(), image.width()};
  if (vertical.changes && vertical_pass_first(from, {height, width}, mode)) {
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
