// Products of few rows. A block takes 16 outputs: the weights are the left operand of mma.sync, the
// rows its right one, eight in a tile, so that one to eight cost the same. Its eight warps share
// out the inputs, 32 at a time, straight from memory to registers: a lane's 16 bytes are two
// fragments under a fixed permutation of the inputs, which is the same for weights and rows. The
// first weights are on their way before the launch before has ended.
//
// nvcc gate: mma.sync.aligned.m16n8k16 ld.global.nc.L1::no_allocate.v4 griddepcontrol.wait@sm_90a
#include "kernels/cuda/dev.h"
#include "kernels/cuda/skinny.h"

namespace instructblip::kernels::cuda {
namespace {

constexpr int kOutputs = 16, kInputs = 32;  // a unit of weights
constexpr int kWarps = 8;
constexpr unsigned kThreads = kWarps * 32;

struct Arguments {
  SkinnyProblem problem;
  SkinnyBuffers buffers;
};

// A lane's part of kDepth units: 16 bytes of each of two outputs.
template <int kDepth>
struct Weights {
  dev::Words4 upper[kDepth], lower[kDepth];
};

// Units first, first + 8, ... Beyond the inputs, or the outputs, are zeros.
template <class T, int kDepth>
__device__ __forceinline__ void load_weights(const Arguments& a, int first, Weights<kDepth>& to) {
  const SkinnyProblem& p = a.problem;
  const int lane = static_cast<int>(dev::lane());
  const int output = static_cast<int>(dev::block_x()) * kOutputs + lane / 4;
  const T* row =
      static_cast<const T*>(a.buffers.weights) + static_cast<std::int64_t>(output) * p.inputs;
#pragma unroll
  for (int d = 0; d < kDepth; ++d) {
    const int input = (first + d * kWarps) * kInputs + lane % 4 * 8;
    to.upper[d] = to.lower[d] = {0, 0, 0, 0};
    if (input >= p.inputs) continue;
    if (output < p.outputs) to.upper[d] = dev::load_once<dev::Words4>(row + input);
    if (output + 8 < p.outputs) {
      to.lower[d] =
          dev::load_once<dev::Words4>(row + 8 * static_cast<std::int64_t>(p.inputs) + input);
    }
  }
}

template <class T, int kDepth, int kTiles>
__device__ __forceinline__ void multiply_units(const Arguments& a, int first,
                                               const Weights<kDepth>& weights,
                                               float (&sums)[kTiles][4]) {
  const SkinnyProblem& p = a.problem;
  const int lane = static_cast<int>(dev::lane());
  const T* x = static_cast<const T*>(a.buffers.x);
#pragma unroll
  for (int d = 0; d < kDepth; ++d) {
    const int input = (first + d * kWarps) * kInputs + lane % 4 * 8;
    const dev::Words4 &u = weights.upper[d], &l = weights.lower[d];
    const std::uint32_t low[4] = {u.x, l.x, u.y, l.y}, high[4] = {u.z, l.z, u.w, l.w};
#pragma unroll
    for (int t = 0; t < kTiles; ++t) {
      const int row = t * 8 + lane / 4;
      dev::Words4 v = {0, 0, 0, 0};
      if (row < p.rows && input < p.inputs) {
        v = dev::load_global<dev::Words4>(x + static_cast<std::int64_t>(row) * p.inputs + input);
      }
      dev::multiply<T>(sums[t], low, v.x, v.y);
      dev::multiply<T>(sums[t], high, v.z, v.w);
    }
  }
}

// Sums of the warps, in their order, and what is added to them.
template <class T, int kTiles>
__device__ void finish(const Arguments& a, dev::Shared<float> partial) {
  const SkinnyProblem& p = a.problem;
  const SkinnyBuffers& b = a.buffers;
  for (int i = static_cast<int>(dev::thread()); i < p.rows * kOutputs; i += kThreads) {
    const int row = i / kOutputs,
              output = static_cast<int>(dev::block_x()) * kOutputs + i % kOutputs;
    if (output >= p.outputs) continue;
    float sum = 0.0f;
#pragma unroll
    for (int w = 0; w < kWarps; ++w) {
      sum += partial.load(static_cast<unsigned>(w * kTiles * 8 * kOutputs + i));
    }
    const std::int64_t at = static_cast<std::int64_t>(row) * p.outputs + output;
    if (b.bias != nullptr) sum += dev::widen(static_cast<const T*>(b.bias)[output]);
    if (b.residual != nullptr) sum += dev::widen(static_cast<const T*>(b.residual)[at]);
    if (p.wide) {
      static_cast<float*>(b.y)[at] = sum;
    } else {
      static_cast<T*>(b.y)[at] = dev::narrow<T>(sum);
    }
  }
}

template <class T, int kTiles>
__global__ void __launch_bounds__(kThreads) skinny_kernel(Arguments a) {
  constexpr int kDepth = kTiles == 1 ? 4 : 2;  // units on their way
  const int lane = static_cast<int>(dev::lane()), warp = static_cast<int>(dev::warp());
  const int units = (a.problem.inputs + kInputs - 1) / kInputs;
  dev::grid_signal();
  Weights<kDepth> weights;
  load_weights<T, kDepth>(a, warp, weights);
  dev::grid_wait();
  float sums[kTiles][4] = {};
  for (int unit = warp; unit < units; unit += kDepth * kWarps) {
    const Weights<kDepth> now = weights;
    load_weights<T, kDepth>(a, unit + kDepth * kWarps, weights);
    multiply_units<T, kDepth, kTiles>(a, unit, now, sums);
  }
  // [warp][row][output]
  const auto partial = dev::shared_memory<float>();
#pragma unroll
  for (int t = 0; t < kTiles; ++t) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int row = t * 8 + lane % 4 * 2 + i % 2, output = lane / 4 + i / 2 * 8;
      partial.store(static_cast<unsigned>((warp * kTiles * 8 + row) * kOutputs + output),
                    sums[t][i]);
    }
  }
  dev::sync_threads();
  finish<T, kTiles>(a, partial);
}

template <class T, int kTiles>
int launch_tiles(const Arguments& arguments, void* stream, bool overlaps) {
  dev::LaunchConfig config;
  config.blocks.x = static_cast<unsigned>((arguments.problem.outputs + kOutputs - 1) / kOutputs);
  config.threads = kThreads;
  config.shared_bytes = kWarps * kTiles * 8 * kOutputs * sizeof(float);
  config.stream = stream;
  config.overlaps_previous = overlaps;
  return dev::launch(config, skinny_kernel<T, kTiles>, arguments);
}

template <class T>
int launch_element(const Arguments& arguments, void* stream, bool overlaps) {
  if (arguments.problem.rows <= 8) return launch_tiles<T, 1>(arguments, stream, overlaps);
  if (arguments.problem.rows <= 16) return launch_tiles<T, 2>(arguments, stream, overlaps);
  return launch_tiles<T, 4>(arguments, stream, overlaps);
}

}  // namespace

const char* skinny_refuses(const SkinnyProblem& p) {
  if (p.rows > 32) return "there are at most 32 rows";
  if (p.inputs < 8 || p.inputs % 8 != 0) return "rows are as wide as a multiple of 8";
  return nullptr;
}

int multiply_skinny(const SkinnyProblem& problem, const SkinnyBuffers& buffers, void* stream,
                    bool overlaps_previous) {
  if (problem.rows == 0 || problem.outputs == 0) return 0;
  const Arguments arguments{problem, buffers};
  return problem.element == Element::f16
             ? launch_element<dev::Half>(arguments, stream, overlaps_previous)
             : launch_element<dev::Bfloat>(arguments, stream, overlaps_previous);
}

}  // namespace instructblip::kernels::cuda
