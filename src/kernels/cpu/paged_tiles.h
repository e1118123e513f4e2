// The innermost loops of attention over pages: a few queries with a few keys or values.
#pragma once

#include "kernels/cpu/exp.h"
#include "kernels/cpu/paged_rows.h"

namespace instructblip::kernels::cpu {
namespace {

constexpr int kKeys = 4;  // whose products with a query are added up together

// Sums that stay in registers at once.
#if defined(__AVX512F__)
constexpr int kQueries = 4;
constexpr int kVectors = 4;  // vectors of values
#else
constexpr int kQueries = 2;
constexpr int kVectors = 2;
#endif

// products[m][k] = queries[m] . keys[k] for four keys.
template <int M>
INSTRUCTBLIP_KERNEL void multiply_four(const float* const* queries, const float* const* keys,
                                       std::int64_t width, float* const* products) {
  Lanes sums[M][kKeys];
  for (int m = 0; m < M; ++m) {
    for (int k = 0; k < kKeys; ++k) sums[m][k] = broadcast(0.0f);
  }
  std::int64_t i = 0;
  for (; i + kLanes <= width; i += kLanes) {
    Lanes query[M];
    for (int m = 0; m < M; ++m) query[m] = load(queries[m] + i);
    for (int k = 0; k < kKeys; ++k) {
      const Lanes key = load(keys[k] + i);
      for (int m = 0; m < M; ++m) sums[m][k] = multiply_add(query[m], key, sums[m][k]);
    }
  }
  if (i < width) {
    for (int k = 0; k < kKeys; ++k) {
      const Lanes key = load_first(keys[k] + i, width - i);
      for (int m = 0; m < M; ++m) {
        const Lanes query = load_first(queries[m] + i, width - i);
        sums[m][k] = multiply_add(query, key, sums[m][k]);
      }
    }
  }
  for (int m = 0; m < M; ++m) sum_four(sums[m], products[m]);
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
template <int M, int V>
INSTRUCTBLIP_KERNEL void accumulate(const float* const* weights, const float* const* values,
                                    std::int64_t count, float* const* out, const Columns& columns) {
  Lanes sums[M][V];
  for (int m = 0; m < M; ++m) {
    for (int v = 0; v < V; ++v) sums[m][v] = load_vector<V>(out[m], v, columns);
  }
  for (std::int64_t j = 0; j < count; ++j) {
    Lanes value[V];
    for (int v = 0; v < V; ++v) value[v] = load_vector<V>(values[j], v, columns);
    for (int m = 0; m < M; ++m) {
      const Lanes weight = broadcast(weights[m][j]);
      for (int v = 0; v < V; ++v) sums[m][v] = multiply_add(weight, value[v], sums[m][v]);
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
