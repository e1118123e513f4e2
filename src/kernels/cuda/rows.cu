// Norms and activations. A block takes one row of a norm and keeps it in registers, so that memory
// is read once and the variance is that about the mean; a thread takes eight numbers at a time.
//
// nvcc gate: ld.global.v4 st.global.v4 shfl.sync griddepcontrol.wait@sm_90a
#include "kernels/cuda/activated.h"
#include "kernels/cuda/dev.h"
#include "kernels/cuda/pieces.h"
#include "kernels/cuda/rows.h"

namespace instructblip::kernels::cuda {
namespace {

constexpr int kMaxPieces = 8;  // in the registers of a thread, eight numbers each
constexpr unsigned kMaxThreads = 256;

// The sum over the block, the same bits for all its threads. Uses one float for each warp.
__device__ inline float sum_of_block(float value, dev::Shared<float> partial) {
  value = sum_of_warp(value);
  if (dev::lane() == 0) partial.store(dev::warp(), value);
  dev::sync_threads();
  float sum = 0.0f;
  for (unsigned w = 0; w < dev::threads() / 32; ++w) sum += partial.load(w);
  return sum;
}

struct NormArguments {
  NormProblem problem;
  NormBuffers buffers;
};

template <class T, int kPieces>
__global__ void __launch_bounds__(kMaxThreads) norm_kernel(NormArguments a) {
  dev::grid_signal();
  dev::grid_wait();
  const int width = a.problem.width, pieces = width / 8;
  const std::int64_t row = static_cast<std::int64_t>(dev::block_x()) * width;
  const int first = static_cast<int>(dev::thread()), step = static_cast<int>(dev::threads());
  const NormBuffers& b = a.buffers;
  float x[kPieces][8];
  float sum = 0.0f;
#pragma unroll
  for (int n = 0; n < kPieces; ++n) {
    const int piece = first + n * step;
#pragma unroll
    for (int i = 0; i < 8; ++i) x[n][i] = 0.0f;
    if (piece >= pieces) continue;
    widen_eight<T>(dev::load_global<dev::Words4>(static_cast<const T*>(b.x) + row + piece * 8),
                   x[n]);
    if (b.added != nullptr) {
      float more[8];
      widen_eight<T>(
          dev::load_global<dev::Words4>(static_cast<const T*>(b.added) + row + piece * 8), more);
#pragma unroll
      for (int i = 0; i < 8; ++i) x[n][i] += more[i];
      const dev::Words4 rounded = narrow_eight<T>(x[n]);
      if (b.sum != nullptr) dev::store_global(static_cast<T*>(b.sum) + row + piece * 8, rounded);
      widen_eight<T>(rounded, x[n]);
    }
#pragma unroll
    for (int i = 0; i < 8; ++i) sum += x[n][i];
  }
  const auto partial = dev::shared_memory<float>();
  const float share = dev::reciprocal(static_cast<float>(width));
  const float mean = a.problem.centred ? sum_of_block(sum, partial) * share : 0.0f;
  float squares = 0.0f;
#pragma unroll
  for (int n = 0; n < kPieces; ++n) {
    if (first + n * step >= pieces) continue;
#pragma unroll
    for (int i = 0; i < 8; ++i) squares += (x[n][i] - mean) * (x[n][i] - mean);
  }
  const float variance = sum_of_block(squares, partial + kMaxThreads / 32) * share;
  const float scale = dev::inverse_root(variance + a.problem.eps);
#pragma unroll
  for (int n = 0; n < kPieces; ++n) {
    const int piece = first + n * step;
    if (piece >= pieces) continue;
    float weight[8], bias[8] = {};
    widen_eight<T>(dev::load_global<dev::Words4>(static_cast<const T*>(b.weight) + piece * 8),
                   weight);
    if (b.bias != nullptr) {
      widen_eight<T>(dev::load_global<dev::Words4>(static_cast<const T*>(b.bias) + piece * 8),
                     bias);
    }
#pragma unroll
    for (int i = 0; i < 8; ++i) x[n][i] = (x[n][i] - mean) * scale * weight[i] + bias[i];
    dev::store_global(static_cast<T*>(b.y) + row + piece * 8, narrow_eight<T>(x[n]));
  }
}

template <class T>
int launch_norm(const NormArguments& arguments, void* stream, bool overlaps) {
  const int pieces = arguments.problem.width / 8;
  dev::LaunchConfig config;
  config.blocks.x = static_cast<unsigned>(arguments.problem.rows);
  const unsigned warps = static_cast<unsigned>((pieces + 31) / 32);
  config.threads = warps * 32 < kMaxThreads ? warps * 32 : kMaxThreads;
  config.shared_bytes = 2 * kMaxThreads / 32 * sizeof(float);
  config.stream = stream;
  config.overlaps_previous = overlaps;
  const int each =
      (pieces + static_cast<int>(config.threads) - 1) / static_cast<int>(config.threads);
  if (each == 1) return dev::launch(config, norm_kernel<T, 1>, arguments);
  if (each == 2) return dev::launch(config, norm_kernel<T, 2>, arguments);
  if (each <= 4) return dev::launch(config, norm_kernel<T, 4>, arguments);
  return dev::launch(config, norm_kernel<T, kMaxPieces>, arguments);
}

struct ActivationArguments {
  ActivationProblem problem;
  ActivationBuffers buffers;
};

template <class T, Activation kActivation>
__global__ void __launch_bounds__(kMaxThreads) activation_kernel(ActivationArguments a) {
  dev::grid_signal();
  dev::grid_wait();
  const std::int64_t pieces = static_cast<std::int64_t>(a.problem.rows) * (a.problem.width / 8);
  const std::int64_t piece =
      static_cast<std::int64_t>(dev::block_x()) * kMaxThreads + dev::thread();
  if (piece >= pieces) return;
  const int width = a.problem.width;
  const std::int64_t row = piece / (width / 8);
  const int column = static_cast<int>(piece % (width / 8)) * 8;
  const T* from =
      static_cast<const T*>(a.buffers.x) + row * (a.problem.gated ? 2 * width : width) + column;
  float x[8], other[8];
  widen_eight<T>(dev::load_global<dev::Words4>(from), x);
  if (a.problem.gated) {
    widen_eight<T>(dev::load_global<dev::Words4>(from + width), other);
  } else if (a.buffers.bias != nullptr) {
    widen_eight<T>(dev::load_global<dev::Words4>(static_cast<const T*>(a.buffers.bias) + column),
                   other);
#pragma unroll
    for (int i = 0; i < 8; ++i) x[i] += other[i];
  }
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    x[i] = activated<kActivation>(x[i]);
    if (a.problem.gated) x[i] *= other[i];
  }
  dev::store_global(static_cast<T*>(a.buffers.y) + row * width + column, narrow_eight<T>(x));
}

template <class T>
int launch_activation(const ActivationArguments& arguments, void* stream, bool overlaps) {
  const ActivationProblem& p = arguments.problem;
  const std::int64_t pieces = static_cast<std::int64_t>(p.rows) * (p.width / 8);
  dev::LaunchConfig config;
  config.blocks.x = static_cast<unsigned>((pieces + kMaxThreads - 1) / kMaxThreads);
  config.threads = kMaxThreads;
  config.stream = stream;
  config.overlaps_previous = overlaps;
  switch (p.activation) {
    case Activation::relu:
      return dev::launch(config, activation_kernel<T, Activation::relu>, arguments);
    case Activation::gelu:
      return dev::launch(config, activation_kernel<T, Activation::gelu>, arguments);
    case Activation::gelu_new:
      return dev::launch(config, activation_kernel<T, Activation::gelu_new>, arguments);
    case Activation::quick_gelu:
      return dev::launch(config, activation_kernel<T, Activation::quick_gelu>, arguments);
    case Activation::silu:
      break;
  }
  return dev::launch(config, activation_kernel<T, Activation::silu>, arguments);
}

}  // namespace

const char* norm_refuses(const NormProblem& p) {
  constexpr int kMost = 8 * kMaxPieces * static_cast<int>(kMaxThreads);
  if (p.width < 8 || p.width > kMost || p.width % 8 != 0) {
    return "rows are 8 to 16384 wide, in steps of 8";
  }
  return nullptr;
}

int normalize(const NormProblem& problem, const NormBuffers& buffers, void* stream,
              bool overlaps_previous) {
  if (problem.rows == 0) return 0;
  const NormArguments arguments{problem, buffers};
  return problem.element == Element::f16
             ? launch_norm<dev::Half>(arguments, stream, overlaps_previous)
             : launch_norm<dev::Bfloat>(arguments, stream, overlaps_previous);
}

const char* activation_refuses(const ActivationProblem& p) {
  return p.width < 8 || p.width % 8 != 0 ? "rows are as wide as a multiple of 8" : nullptr;
}

int activate(const ActivationProblem& problem, const ActivationBuffers& buffers, void* stream,
             bool overlaps_previous) {
  if (problem.rows == 0) return 0;
  const ActivationArguments arguments{problem, buffers};
  return problem.element == Element::f16
             ? launch_activation<dev::Half>(arguments, stream, overlaps_previous)
             : launch_activation<dev::Bfloat>(arguments, stream, overlaps_previous);
}

}  // namespace instructblip::kernels::cuda
