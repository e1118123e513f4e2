// Products of the rows of short sequences. A block takes 16 outputs and 32 rows of a group: its
// eight warps share out the inputs, 32 at a time, as in skinny.cu, the first of which are on their
// way before the launch before has ended. Where rows are normalised, a warp takes a row of them,
// and they are multiplied from shared memory; the first block of some rows writes them down as
// well.
//
// nvcc gate: mma.sync.aligned.m16n8k16 ld.global.nc.L1::no_allocate.v4 shfl.sync
// nvcc gate: griddepcontrol.wait@sm_90a
#include <algorithm>

#include "kernels/cuda/activated.h"
#include "kernels/cuda/dev.h"
#include "kernels/cuda/grouped_product.h"
#include "kernels/cuda/pieces.h"
#include "kernels/cuda/tiled_product_units.h"

namespace instructblip::kernels::cuda {
namespace {

constexpr int kRows = 32, kTiles = kRows / 8, kDepth = 4;
constexpr int kMaxNormalised = 1024, kPiecesOfLane = kMaxNormalised / 8 / 32;
constexpr int kRowsOfWarp = kRows / kProductWarps;

struct Arguments {
  GroupedProductProblem problem;
  ProductGroup first, second;
};

// The rows of a block: `count` of a group's, from `begin` on.
struct Part {
  ProductGroup group;
  int begin, count;

  __device__ __forceinline__ std::int64_t in_row(int row) const {
    return group.in_rows == nullptr ? begin + row : group.in_rows[begin + row];
  }
  __device__ __forceinline__ std::int64_t out_row(int row) const {
    return group.out_rows == nullptr ? begin + row : group.out_rows[begin + row];
  }
};

// Beyond the inputs, or the outputs, are zeros.
template <class T>
__device__ __forceinline__ UnitWords load_weights(const GroupedProductProblem& p,
                                                  const void* weights, int unit) {
  const int lane = static_cast<int>(dev::lane());
  const int output = static_cast<int>(dev::block_x()) * 16 + lane / 4;
  const int input = unit * 32 + lane % 4 * 8;
  UnitWords words = {};
  if (input >= p.inputs) return words;
  const T* row =
      static_cast<const T*>(weights) + static_cast<std::int64_t>(output) * p.inputs + input;
  if (output < p.outputs) words.upper = dev::load_once<dev::Words4>(row);
  if (output + 8 < p.outputs) {
    words.lower = dev::load_once<dev::Words4>(row + 8 * static_cast<std::int64_t>(p.inputs));
  }
  return words;
}

// A lane's pieces of something as wide as a row that is normalised.
struct Pieces {
  dev::Words4 piece[kPiecesOfLane];

  template <class T>
  __device__ __forceinline__ void load(const T* from, int inputs) {
#pragma unroll
    for (int n = 0; n < kPiecesOfLane; ++n) {
      const int column = (static_cast<int>(dev::lane()) + 32 * n) * 8;
      piece[n] = {0, 0, 0, 0};
      if (column < inputs) piece[n] = dev::load_global<dev::Words4>(from + column);
    }
  }
};

struct NormOfLane {
  Pieces weight, bias;
};

// A lane's pieces of a row, normalised.
template <class T>
__device__ __forceinline__ void normalise(const GroupedProductProblem& p, const NormOfLane& norm,
                                          Pieces& row) {
  const int lane = static_cast<int>(dev::lane()), pieces = p.inputs / 8;
  const float share = dev::reciprocal(static_cast<float>(p.inputs));
  float x[kPiecesOfLane][8];
  float sum = 0.0f, squares = 0.0f;
#pragma unroll
  for (int n = 0; n < kPiecesOfLane; ++n) {
    widen_eight<T>(row.piece[n], x[n]);
    if (lane + 32 * n >= pieces) continue;
#pragma unroll
    for (int i = 0; i < 8; ++i) sum += x[n][i];
  }
  const float mean = sum_of_warp(sum) * share;
#pragma unroll
  for (int n = 0; n < kPiecesOfLane; ++n) {
    if (lane + 32 * n >= pieces) continue;
#pragma unroll
    for (int i = 0; i < 8; ++i) squares += (x[n][i] - mean) * (x[n][i] - mean);
  }
  const float scale = dev::inverse_root(sum_of_warp(squares) * share + p.eps);
#pragma unroll
  for (int n = 0; n < kPiecesOfLane; ++n) {
    float weight[8], bias[8];
    widen_eight<T>(norm.weight.piece[n], weight);
    widen_eight<T>(norm.bias.piece[n], bias);
#pragma unroll
    for (int i = 0; i < 8; ++i) x[n][i] = (x[n][i] - mean) * scale * weight[i] + bias[i];
    row.piece[n] = narrow_eight<T>(x[n]);
  }
}

// A warp normalises rows, all of which it reads at once.
template <class T>
__device__ void stage_normalised(const GroupedProductProblem& p, const Part& part,
                                 const NormOfLane& norm, dev::Shared<T> to, int pitch) {
  const bool writes = part.group.normalised != nullptr && dev::block_x() == 0;
  const int first = static_cast<int>(dev::warp());
  Pieces rows[kRowsOfWarp];
#pragma unroll
  for (int r = 0; r < kRowsOfWarp; ++r) {
    const int row = first + r * kProductWarps;
    if (row >= part.count) break;
    rows[r].load(static_cast<const T*>(part.group.x) + part.in_row(row) * p.inputs, p.inputs);
  }
#pragma unroll
  for (int r = 0; r < kRowsOfWarp; ++r) {
    const int row = first + r * kProductWarps;
    if (row >= part.count) break;
    normalise<T>(p, norm, rows[r]);
#pragma unroll
    for (int n = 0; n < kPiecesOfLane; ++n) {
      const int column = (static_cast<int>(dev::lane()) + 32 * n) * 8;
      if (column >= p.inputs) continue;
      (to + static_cast<unsigned>(row * pitch + column))
          .template as<dev::Words4>()
          .store(0, rows[r].piece[n]);
      if (writes) {
        dev::store_global(
            static_cast<T*>(part.group.normalised) + part.out_row(row) * p.inputs + column,
            rows[r].piece[n]);
      }
    }
  }
  dev::sync_threads();
}

template <class T>
__device__ void finish(const GroupedProductProblem& p, const Part& part,
                       dev::Shared<float> partials) {
  const ProductGroup& g = part.group;
  for (int i = static_cast<int>(dev::thread()); i < part.count * 16; i += kProductThreads) {
    const int row = i / 16, output = static_cast<int>(dev::block_x()) * 16 + i % 16;
    if (output >= p.outputs) continue;
    float sum = sum_of_partials<kTiles>(partials, row, i % 16);
    const std::int64_t at = part.out_row(row) * p.outputs + output;
    if (g.bias != nullptr) sum += dev::widen(static_cast<const T*>(g.bias)[output]);
    if (p.activates) sum = activated(p.activation, sum);
    if (g.residual != nullptr) sum += dev::widen(static_cast<const T*>(g.residual)[at]);
    static_cast<T*>(g.y)[at] = dev::narrow<T>(sum);
  }
}

template <class T, bool kNormalises>
__global__ void __launch_bounds__(kProductThreads, 1) grouped_product_kernel(Arguments a) {
  const GroupedProductProblem& p = a.problem;
  Part part;
  part.group = dev::block_z() == 0 ? a.first : a.second;
  part.begin = static_cast<int>(dev::block_y()) * kRows;
  const int left = part.group.rows - part.begin;
  part.count = left < kRows ? left : kRows;
  const int warp = static_cast<int>(dev::warp()), units = (p.inputs + 31) / 32;
  dev::grid_signal();
  if (part.count <= 0) return;
  UnitWords weights[kDepth];
#pragma unroll
  for (int d = 0; d < kDepth; ++d) {
    weights[d] = load_weights<T>(p, part.group.weights, warp + d * kProductWarps);
  }
  NormOfLane norm;
  if constexpr (kNormalises) {
    norm.weight.load(static_cast<const T*>(part.group.norm_weight), p.inputs);
    norm.bias.load(static_cast<const T*>(part.group.norm_bias), p.inputs);
  }
  dev::grid_wait();
  const auto partials = dev::shared_memory<float>();
  const auto staged = (partials + kPartials<kTiles>).template as<T>();
  Activations<T, kNormalises> x{
      static_cast<const T*>(part.group.x) + static_cast<std::int64_t>(part.begin) * p.inputs,
      staged, p.inputs, part.count, p.inputs};
  if constexpr (kNormalises) {
    x.pitch = staged_pitch(p.inputs);
    stage_normalised<T>(p, part, norm, staged, x.pitch);
  }
  float sums[kTiles][4] = {};
  for (int unit = warp; unit < units; unit += kDepth * kProductWarps) {
#pragma unroll
    for (int d = 0; d < kDepth; ++d) {
      const UnitWords now = weights[d];
      const int own = unit + d * kProductWarps;
      weights[d] = load_weights<T>(p, part.group.weights, own + kDepth * kProductWarps);
      multiply_unit<T, 16, kTiles>(now, own, x, sums);
    }
  }
  store_partials<kTiles>(sums, part.count, partials);
  dev::sync_threads();
  finish<T>(p, part, partials);
}

template <class T>
int launch_element(const Arguments& arguments, dev::LaunchConfig config) {
  if (!arguments.problem.normalises) {
    return dev::launch(config, grouped_product_kernel<T, false>, arguments);
  }
  config.shared_bytes +=
      static_cast<std::size_t>(kRows * staged_pitch(arguments.problem.inputs)) * sizeof(T);
  return dev::launch(config, grouped_product_kernel<T, true>, arguments);
}

}  // namespace

const char* grouped_product_refuses(const GroupedProductProblem& p) {
  if (p.inputs < 8 || p.inputs % 8 != 0) return "rows are as wide as a multiple of 8";
  if (p.normalises && p.inputs > kMaxNormalised) {
    return "rows that are normalised are at most 1024 wide";
  }
  return nullptr;
}

int multiply_groups(const GroupedProductProblem& problem, const ProductGroup& first,
                    const ProductGroup& second, void* stream, bool overlaps_previous) {
  const std::int32_t rows = std::max(first.rows, second.rows);
  if (rows == 0 || problem.outputs == 0) return 0;
  dev::LaunchConfig config;
  config.blocks = {static_cast<unsigned>((problem.outputs + 15) / 16),
                   static_cast<unsigned>((rows + kRows - 1) / kRows), second.rows > 0 ? 2u : 1u};
  config.threads = kProductThreads;
  config.shared_bytes = kPartials<kTiles> * sizeof(float);
  config.stream = stream;
  config.overlaps_previous = overlaps_previous;
  const Arguments arguments{problem, first, second};
  return problem.element == Element::f16 ? launch_element<dev::Half>(arguments, config)
                                         : launch_element<dev::Bfloat>(arguments, config);
}

}  // namespace instructblip::kernels::cuda
