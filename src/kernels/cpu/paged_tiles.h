// The innermost loops of attention over pages: a few queries with a few keys or values.
#pragma once

#include "kernels/cpu/exp.h"
#include "kernels/cpu/paged_places.h"

namespace instructblip::kernels::cpu {
namespace {

constexpr int kKeys = 4;  // whose products with a query are added up together

// Sums that stay in registers at once: of M queries, with so many keys, and so many vectors of
// values.
#if defined(__AVX512F__)
constexpr int kQueries = 5;
template <int M>
constexpr int kKeysAtOnce = 4;
template <int M>
constexpr int kVectors = 4;
#else
constexpr int kQueries = 3;
template <int M>
constexpr int kKeysAtOnce = M == 1 ? 4 : 2;
template <int M>
constexpr int kVectors = M == 1 ? 4 : 2;
#endif

INSTRUCTBLIP_KERNEL void prefetch(const float* at) { __builtin_prefetch(at); }

// sums[m][k], from k = `from`, = queries[m] times keys[k] in each lane. The first queries that come
// ask for the next keys.
template <int M, bool first>
INSTRUCTBLIP_KERNEL void multiply_lanes(const float* const* queries, const float* const* keys,
                                        const float* const* next, std::int64_t width, int from,
                                        float (*sums)[kKeys][kLanes]) {
  constexpr int K = kKeysAtOnce<M>;
  Lanes added[M][K];
  for (int m = 0; m < M; ++m) {
    for (int k = 0; k < K; ++k) added[m][k] = broadcast(0.0f);
  }
  std::int64_t i = 0;
  for (; i + kLanes <= width; i += kLanes) {
    Lanes query[M];
    for (int m = 0; m < M; ++m) query[m] = load(queries[m] + i);
    for (int k = 0; k < K; ++k) {
      if constexpr (first) prefetch(next[from + k] + i);
      const Lanes key = load(keys[from + k] + i);
      for (int m = 0; m < M; ++m) added[m][k] = multiply_add(query[m], key, added[m][k]);
    }
  }
  if (i < width) {
    for (int k = 0; k < K; ++k) {
      const Lanes key = load_first(keys[from + k] + i, width - i);
      for (int m = 0; m < M; ++m) {
        const Lanes query = load_first(queries[m] + i, width - i);
        added[m][k] = multiply_add(query, key, added[m][k]);
      }
    }
  }
  for (int m = 0; m < M; ++m) {
    for (int k = 0; k < K; ++k) store(added[m][k], sums[m][from + k]);
  }
}

// products[m][k] = queries[m] . keys[k] for four keys.
template <int M, bool first>
INSTRUCTBLIP_KERNEL void multiply_four(const float* const* queries, const float* const* keys,
                                       const float* const* next, std::int64_t width,
                                       float* const* products) {
  float sums[M][kKeys][kLanes];
  for (int from = 0; from < kKeys; from += kKeysAtOnce<M>) {
    multiply_lanes<M, first>(queries, keys, next, width, from, sums);
  }
  for (int m = 0; m < M; ++m) {
    const Lanes four[kKeys] = {load(sums[m][0]), load(sums[m][1]), load(sums[m][2]),
                               load(sums[m][3])};
    sum_four(four, products[m]);
  }
}

// Vectors of a value that begin at element `at`, the last one of which holds `rest` elements.
struct Columns {
  std::int64_t at, rest;
};

// Vector v of V that begin at `from`.
template <int V>
INSTRUCTBLIP_KERNEL Lanes load_vector(const float* from, int v, const Columns& columns) {
  from += columns.at + v * kLanes;
  return v + 1 < V || columns.rest == kLanes ? load(from) : load_first(from, columns.rest);
}

// Adds weights[m][j] * values[j] to out[m], for V vectors of the width, in order of positions.
template <int M, int V, bool first>
INSTRUCTBLIP_KERNEL void accumulate(const float* const* weights, const Block& values,
                                    float* const* out, const Columns& columns) {
  Lanes sums[M][V];
  for (int m = 0; m < M; ++m) {
    for (int v = 0; v < V; ++v) sums[m][v] = load_vector<V>(out[m], v, columns);
  }
  for (std::int64_t j = 0; j < values.count; ++j) {
    Lanes weight[M];
    for (int m = 0; m < M; ++m) weight[m] = broadcast(weights[m][j]);
    for (int v = 0; v < V; ++v) {
      if constexpr (first) prefetch(values.next[j] + columns.at + v * kLanes);
      const Lanes value = load_vector<V>(values.found[j], v, columns);
      for (int m = 0; m < M; ++m) sums[m][v] = multiply_add(weight[m], value, sums[m][v]);
    }
  }
  for (int m = 0; m < M; ++m) {
    for (int v = 0; v < V; ++v) {
      float* to = out[m] + columns.at + v * kLanes;
      if (v + 1 < V || columns.rest == kLanes) {
        store(sums[m][v], to);
      } else {
        store_first(sums[m][v], columns.rest, to);
      }
    }
  }
}

}  // namespace
}  // namespace instructblip::kernels::cpu
