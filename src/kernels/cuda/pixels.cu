// Pictures: a thread takes a pixel of what goes out. Sums of bytes times weights are whole numbers,
// so that no order of theirs matters.
//
// nvcc gate: ld.global.u8 st.global.u8 st.global.f32 griddepcontrol.wait@sm_90a
#include <cstddef>

#include "kernels/cuda/dev.h"
#include "kernels/cuda/pixels.h"

namespace instructblip::kernels::cuda {
namespace {

constexpr unsigned kThreads = 256;
constexpr int kChannels = 3;

struct ResampleArguments {
  ResampleProblem problem;
  ResampleBuffers buffers;
  std::int32_t rows, columns;  // of what goes out
};

__device__ __forceinline__ std::uint8_t byte_of(std::int32_t sum, int precision) {
  const std::int32_t value = (sum + (1 << precision >> 1)) >> precision;
  return static_cast<std::uint8_t>(value < 0 ? 0 : value > 255 ? 255 : value);
}

template <bool kHorizontal>
__global__ void __launch_bounds__(kThreads) resample_kernel(ResampleArguments a) {
  dev::grid_signal();
  dev::grid_wait();
  const std::int64_t pixel = static_cast<std::int64_t>(dev::block_x()) * kThreads + dev::thread();
  if (pixel >= static_cast<std::int64_t>(a.rows) * a.columns) return;
  const ResampleBuffers& b = a.buffers;
  const int x = static_cast<int>(pixel % a.columns), y = static_cast<int>(pixel / a.columns);
  const int position = kHorizontal ? x : y, first = b.first[position];
  const std::ptrdiff_t step = kHorizontal ? kChannels : b.stride;
  const std::uint8_t* in = b.in + (kHorizontal ? y : first) * b.stride +
                           static_cast<std::ptrdiff_t>(kHorizontal ? first : x) * kChannels;
  const std::int32_t* weights = b.weights + static_cast<std::int64_t>(position) * a.problem.taps;
  std::int32_t sums[kChannels] = {};
  for (int t = 0; t < b.count[position]; ++t, in += step) {
#pragma unroll
    for (int c = 0; c < kChannels; ++c) sums[c] += weights[t] * in[c];
  }
#pragma unroll
  for (int c = 0; c < kChannels; ++c) {
    b.out[pixel * kChannels + c] = byte_of(sums[c], a.problem.precision);
  }
}

struct ValuesArguments {
  PixelValuesProblem problem;
  PixelValuesBuffers buffers;
};

template <class T>
__global__ void __launch_bounds__(kThreads) pixel_values_kernel(ValuesArguments a) {
  dev::grid_signal();
  dev::grid_wait();
  const PixelValuesProblem& p = a.problem;
  const std::int64_t plane = static_cast<std::int64_t>(p.height) * p.width;
  const std::int64_t pixel = static_cast<std::int64_t>(dev::block_x()) * kThreads + dev::thread();
  if (pixel >= plane) return;
  const int x = static_cast<int>(pixel % p.width) - p.left;
  const int y = static_cast<int>(pixel / p.width) - p.top;
  const bool kept = x >= 0 && x < p.kept_width && y >= 0 && y < p.kept_height;
  const std::uint8_t* in =
      a.buffers.in + (static_cast<std::int64_t>(y) * p.kept_width + x) * kChannels;
#pragma unroll
  for (int c = 0; c < kChannels; ++c) {
    const int byte = kept ? in[c] : 0;
    static_cast<T*>(a.buffers.out)[c * plane + pixel] =
        dev::narrow<T>(a.buffers.values[c * 256 + byte]);
  }
}

dev::LaunchConfig config_of(std::int64_t pixels, void* stream, bool overlaps) {
  dev::LaunchConfig config;
  config.blocks.x = static_cast<unsigned>((pixels + kThreads - 1) / kThreads);
  config.threads = kThreads;
  config.stream = stream;
  config.overlaps_previous = overlaps;
  return config;
}

}  // namespace

int resample_axis(const ResampleProblem& problem, const ResampleBuffers& buffers, void* stream,
                  bool overlaps_previous) {
  const bool horizontal = problem.axis == ResampleProblem::Axis::horizontal;
  const ResampleArguments arguments{problem, buffers, horizontal ? problem.height : problem.outputs,
                                    horizontal ? problem.outputs : problem.width};
  const std::int64_t pixels = static_cast<std::int64_t>(arguments.rows) * arguments.columns;
  if (pixels == 0) return 0;
  const dev::LaunchConfig config = config_of(pixels, stream, overlaps_previous);
  return horizontal ? dev::launch(config, resample_kernel<true>, arguments)
                    : dev::launch(config, resample_kernel<false>, arguments);
}

const char* pixel_values_refuse(const PixelValuesProblem& p) {
  if (p.top < 0 || p.left < 0 || p.top + p.kept_height > p.height ||
      p.left + p.kept_width > p.width) {
    return "what comes in lies within what goes out";
  }
  return nullptr;
}

int look_up_pixel_values(const PixelValuesProblem& problem, const PixelValuesBuffers& buffers,
                         void* stream, bool overlaps_previous) {
  const std::int64_t pixels = static_cast<std::int64_t>(problem.height) * problem.width;
  if (pixels == 0) return 0;
  const dev::LaunchConfig config = config_of(pixels, stream, overlaps_previous);
  const ValuesArguments arguments{problem, buffers};
  if (problem.wide) return dev::launch(config, pixel_values_kernel<float>, arguments);
  return problem.element == Element::f16
             ? dev::launch(config, pixel_values_kernel<dev::Half>, arguments)
             : dev::launch(config, pixel_values_kernel<dev::Bfloat>, arguments);
}

}  // namespace instructblip::kernels::cuda
