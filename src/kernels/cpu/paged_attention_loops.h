// The passes of attention over pages, for the instruction set that the including file is compiled
// for.
#pragma once

#include "kernels/cpu/paged_places.h"
#include "kernels/cpu/paged_tiles.h"

namespace instructblip::kernels::cpu {
namespace {

// How many shared positions query q sees; its tail follows them.
INSTRUCTBLIP_KERNEL std::int64_t shared_length(const PagedRows& r, std::int64_t q) {
  const std::int64_t group = r.query_heads / r.key_heads;
  return r.shared_lengths == nullptr ? r.shared : r.shared_lengths[r.first_row + q / group];
}

// The place of query q among all: the query heads that share the key head, row after row.
INSTRUCTBLIP_KERNEL std::int64_t index_of(const PagedRows& r, std::int64_t q) {
  const std::int64_t group = r.query_heads / r.key_heads;
  return (r.first_row + q / group) * r.query_heads + r.key_head * group + q % group;
}

// Products of the queries [first, first + M) with `count` <= kBlock keys. Up to three numbers
// behind them are overwritten: places of later positions, or room at the end.
template <int M>
INSTRUCTBLIP_KERNEL void multiply_keys(const PagedRows& r, std::int64_t first,
                                       const float* const* keys, std::int64_t count,
                                       std::int64_t begin) {
  const float* queries[M];
  for (int m = 0; m < M; ++m) queries[m] = r.queries + index_of(r, first + m) * r.width;
  for (std::int64_t j = 0; j < count; j += kKeys) {
    const float* four[kKeys];
    for (int k = 0; k < kKeys; ++k) four[k] = keys[j + k < count ? j + k : j];
    float* products[M];
    for (int m = 0; m < M; ++m) products[m] = r.scores + (first + m) * r.stride + begin + j;
    multiply_four<M>(queries, four, r.width, products);
  }
}

// Products become scores.
INSTRUCTBLIP_KERNEL void score(const PagedRows& r, std::int64_t q, float* scores) {
  const std::int64_t group = r.query_heads / r.key_heads;
  const std::int64_t shared = shared_length(r, q);
  for (std::int64_t j = 0; j < shared + r.tail; ++j) scores[j] /= r.divisor;
  if (r.bias == nullptr) return;
  const float* bias = r.bias + (r.key_head * group + q % group) * (r.shared + r.tail);
  for (std::int64_t j = 0; j < shared; ++j) scores[j] += bias[j];
  for (std::int64_t t = 0; t < r.tail; ++t) scores[shared + t] += bias[r.shared + t];
}

// Scores become weights exp(score - max), and the last number of the query's their sum.
INSTRUCTBLIP_KERNEL void softmax(const PagedRows& r, std::int64_t q) {
  float* scores = r.scores + q * r.stride;
  score(r, q, scores);
  std::int64_t end = shared_length(r, q) + r.tail;
  for (; end % kScoreStep != 0; ++end) scores[end] = -__builtin_inff();
  Lanes maxima = broadcast(-__builtin_inff());
  for (std::int64_t j = 0; j < end; j += kLanes) maxima = larger(load(scores + j), maxima);
  const Lanes max = broadcast(largest(maxima));
  Lanes total = broadcast(0.0f);
  for (std::int64_t j = 0; j < end; j += kLanes) {
    const Lanes weights = exp_non_positive(subtract(load(scores + j), max));
    store(weights, scores + j);
    total = add(total, weights);
  }
  scores[r.stride - 1] = sum(total);
}

template <int M>
INSTRUCTBLIP_KERNEL void add_values(const PagedRows& r, std::int64_t first,
                                    const float* const* values, std::int64_t count,
                                    std::int64_t begin) {
  const float* weights[M];
  float* out[M];
  for (int m = 0; m < M; ++m) {
    weights[m] = r.scores + (first + m) * r.stride + begin;
    out[m] = r.out + index_of(r, first + m) * r.width;
  }
  std::int64_t at = 0;
  for (; at + kVectors * kLanes <= r.width; at += kVectors * kLanes) {
    accumulate<M, kVectors>(weights, values, count, out, {at, kLanes});
  }
  for (; at < r.width; at += kLanes) {
    const std::int64_t rest = r.width - at < kLanes ? r.width - at : kLanes;
    accumulate<M, 1>(weights, values, count, out, {at, rest});
  }
}

enum class Pass { keys, values };

template <Pass pass, int M>
INSTRUCTBLIP_KERNEL void visit(const PagedRows& r, std::int64_t first, const float* const* found,
                               std::int64_t count, std::int64_t begin) {
  if constexpr (pass == Pass::keys) {
    multiply_keys<M>(r, first, found, count, begin);
  } else {
    add_values<M>(r, first, found, count, begin);
  }
}

// The shared positions [begin, begin + count), for the queries that see them.
template <Pass pass>
INSTRUCTBLIP_KERNEL void visit_shared(const PagedRows& r, std::int64_t queries,
                                      const float* const* found, std::int64_t count,
                                      std::int64_t begin) {
  std::int64_t q = 0;
  while (q < queries) {
    bool all_see = q + kQueries <= queries;
    for (int m = 0; all_see && m < kQueries; ++m) {
      all_see = shared_length(r, q + m) >= begin + count;
    }
    if (all_see) {
      visit<pass, kQueries>(r, q, found, count, begin);
      q += kQueries;
    } else {
      const std::int64_t seen = shared_length(r, q) - begin;
      if (seen > 0) visit<pass, 1>(r, q, found, seen < count ? seen : count, begin);
      ++q;
    }
  }
}

// Each shared key, or value, is fetched once for all queries.
template <Pass pass>
INSTRUCTBLIP_KERNEL void go_through(const PagedRows& r) {
  const float* const* pages = pass == Pass::keys ? r.pages_of_keys : r.pages_of_values;
  const std::int64_t group = r.query_heads / r.key_heads;
  const std::int64_t queries = (r.last_row - r.first_row) * group;
  const float* found[kBlock];
  for (std::int64_t j = 0; j < r.shared; j += kBlock) {
    const std::int64_t count = r.shared - j < kBlock ? r.shared - j : kBlock;
    locate(r, pages, r.shared_slots + j, count, found);
    const std::int64_t next = j + count, left = r.shared - next;
    ask_for(r, pages, r.shared_slots + next, left < kBlock ? left : kBlock);
    visit_shared<pass>(r, queries, found, count, j);
  }
  for (std::int64_t row = r.first_row; row < r.last_row; ++row) {
    for (std::int64_t j = 0; j < r.tail; j += kBlock) {
      const std::int64_t count = r.tail - j < kBlock ? r.tail - j : kBlock;
      locate(r, pages, r.tail_slots + row * r.tail + j, count, found);
      const std::int64_t first = (row - r.first_row) * group;
      std::int64_t q = first;
      const std::int64_t begin = shared_length(r, q) + j;
      for (; q + kQueries <= first + group; q += kQueries) {
        visit<pass, kQueries>(r, q, found, count, begin);
      }
      for (; q < first + group; ++q) visit<pass, 1>(r, q, found, count, begin);
    }
  }
}

INSTRUCTBLIP_KERNEL void paged_rows(const PagedRows& r) {
  const std::int64_t queries = (r.last_row - r.first_row) * (r.query_heads / r.key_heads);
  go_through<Pass::keys>(r);
  for (std::int64_t q = 0; q < queries; ++q) {
    softmax(r, q);
    float* out = r.out + index_of(r, q) * r.width;
    for (std::int64_t i = 0; i < r.width; ++i) out[i] = 0.0f;
  }
  go_through<Pass::values>(r);
  for (std::int64_t q = 0; q < queries; ++q) {
    const float total = r.scores[(q + 1) * r.stride - 1];
    float* out = r.out + index_of(r, q) * r.width;
    for (std::int64_t i = 0; i < r.width; ++i) out[i] /= total;
  }
}

}  // namespace
}  // namespace instructblip::kernels::cpu
