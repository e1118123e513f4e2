// The norm before the products of tiled_product.cu and tiled_product_bulk.cu. Included by the two
// only.
#pragma once

#include "kernels/cuda/dev.h"
#include "kernels/cuda/pieces.h"
#include "kernels/cuda/tiled_product_units.h"

namespace instructblip::kernels::cuda {

// What stage_activations() needs has room where the sums of warps go later.
static_assert(2 * 32 * kProductWarps <= kPartials<1>);

__device__ __forceinline__ float sum_of_warps(dev::Shared<float> partial, int row) {
  float sum = 0.0f;
#pragma unroll
  for (int w = 0; w < kProductWarps; ++w) {
    sum += partial.load(static_cast<unsigned>(row * kProductWarps + w));
  }
  return sum;
}

// Rows that are normalised on their way to shared memory. A thread keeps to its own pieces of them.
// Numbers are added up in the order of norm_kernel in rows.cu, whose bits they have. All that is
// read is asked for at once: weights and bias before the launch before has ended, then the rows.
template <class T>
struct Staging {
  const TiledArguments& a;
  dev::Shared<T> to, weight, bias;
  dev::Shared<float> sums, squares;  // [rows][kProductWarps]
  int first, pieces, pitch;
  float share;
  bool centred;

  __device__ Staging(const TiledArguments& arguments, dev::Shared<T> rows,
                     dev::Shared<float> partial)
      : a(arguments),
        to(rows),
        sums(partial),
        squares(partial + 32 * kProductWarps),
        first(static_cast<int>(dev::thread())),
        pieces(arguments.problem.inputs / 8),
        pitch(staged_pitch(arguments.problem.inputs)),
        share(dev::reciprocal(static_cast<float>(arguments.problem.inputs))),
        centred(arguments.problem.norm == TiledProductProblem::Norm::layer) {
    weight = to + static_cast<unsigned>(arguments.problem.rows * pitch);
    bias = weight + static_cast<unsigned>(arguments.problem.inputs);
  }

  __device__ __forceinline__ dev::Shared<dev::Words4> piece_at(int row, int piece) const {
    return (to + static_cast<unsigned>(row * pitch + piece * 8)).template as<dev::Words4>();
  }
  __device__ __forceinline__ void put(dev::Shared<float> partial, int row, float value) const {
    value = sum_of_warp(value);
    if (dev::lane() == 0) {
      partial.store(static_cast<unsigned>(row) * kProductWarps + dev::warp(), value);
    }
  }
  __device__ __forceinline__ float mean_of(int row) const {
    return centred ? sum_of_warps(sums, row) * share : 0.0f;
  }

  __device__ void copy(dev::Shared<T> into, const void* from) const {
    for (int piece = first; piece < pieces; piece += kProductThreads) {
      dev::copy_async(into + static_cast<unsigned>(piece * 8),
                      static_cast<const T*>(from) + piece * 8, true);
    }
  }
  __device__ void copy_weights() const {
    copy(weight, a.buffers.norm_weight);
    if (a.buffers.norm_bias != nullptr) copy(bias, a.buffers.norm_bias);
    dev::commit_copies();
  }
  __device__ void copy_rows() const {
    const T* x = static_cast<const T*>(a.buffers.x);
    for (int row = 0; row < a.problem.rows; ++row) {
      copy(to + static_cast<unsigned>(row * pitch),
           x + static_cast<std::int64_t>(row) * a.problem.inputs);
    }
    dev::commit_copies();
    dev::wait_for_copies<0>();
  }

  __device__ void sum(int row) const {
    float sum = 0.0f;
    for (int piece = first; piece < pieces; piece += kProductThreads) {
      float x[8];
      widen_eight<T>(piece_at(row, piece).load(), x);
#pragma unroll
      for (int i = 0; i < 8; ++i) sum += x[i];
    }
    put(sums, row, sum);
  }

  __device__ void square(int row) const {
    const float mean = mean_of(row);
    float sum = 0.0f;
    for (int piece = first; piece < pieces; piece += kProductThreads) {
      float x[8];
      widen_eight<T>(piece_at(row, piece).load(), x);
#pragma unroll
      for (int i = 0; i < 8; ++i) sum += (x[i] - mean) * (x[i] - mean);
    }
    put(squares, row, sum);
  }

  // A piece of all rows.
  __device__ void normalise(int piece) const {
    const auto at = static_cast<unsigned>(piece * 8);
    float w[8], added[8] = {};
    widen_eight<T>((weight + at).template as<dev::Words4>().load(), w);
    if (a.buffers.norm_bias != nullptr) {
      widen_eight<T>((bias + at).template as<dev::Words4>().load(), added);
    }
    for (int row = 0; row < a.problem.rows; ++row) {
      const float mean = mean_of(row);
      const float scale = dev::inverse_root(sum_of_warps(squares, row) * share + a.problem.eps);
      float x[8];
      widen_eight<T>(piece_at(row, piece).load(), x);
#pragma unroll
      for (int i = 0; i < 8; ++i) x[i] = (x[i] - mean) * scale * w[i] + added[i];
      piece_at(row, piece).store(0, narrow_eight<T>(x));
    }
  }
};

// By kProductThreads threads that `sync` brings together; each of them has called copy_weights().
template <class T, class Sync>
__device__ void stage_activations(const Staging<T>& staging, Sync sync) {
  const int rows = staging.a.problem.rows;
  staging.copy_rows();
  if (staging.centred) {
    for (int row = 0; row < rows; ++row) staging.sum(row);
    sync();
  }
  for (int row = 0; row < rows; ++row) staging.square(row);
  sync();
  for (int piece = staging.first; piece < staging.pieces; piece += kProductThreads) {
    staging.normalise(piece);
  }
  sync();
}

}  // namespace instructblip::kernels::cuda
