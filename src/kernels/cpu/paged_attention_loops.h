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

// Products of the queries [query, query + M) with the keys of a block, which begins at position
// `begin`. Up to three numbers behind them are overwritten: places of later positions, or room at
// the end.
template <int M, bool first>
INSTRUCTBLIP_KERNEL void multiply_keys(const PagedRows& r, std::int64_t query, const Block& keys,
                                       std::int64_t begin) {
  const float* queries[M];
  for (int m = 0; m < M; ++m) queries[m] = r.queries + index_of(r, query + m) * r.width;
  for (std::int64_t j = 0; j < keys.count; j += kKeys) {
    const float *four[kKeys], *next[kKeys];
    for (int k = 0; k < kKeys; ++k) {
      const std::int64_t at = j + k < keys.count ? j + k : j;
      four[k] = keys.found[at];
      next[k] = keys.next[at];
    }
    float* products[M];
    for (int m = 0; m < M; ++m) products[m] = r.scores + (query + m) * r.stride + begin + j;
    multiply_four<M, first>(queries, four, next, r.width, products);
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

template <int M, bool first>
INSTRUCTBLIP_KERNEL void add_values(const PagedRows& r, std::int64_t query, const Block& values,
                                    std::int64_t begin) {
  const float* weights[M];
  float* out[M];
  for (int m = 0; m < M; ++m) {
    weights[m] = r.scores + (query + m) * r.stride + begin;
    out[m] = r.out + index_of(r, query + m) * r.width;
  }
  constexpr int V = kVectors<M>;
  std::int64_t at = 0;
  for (; at + V * kLanes <= r.width; at += V * kLanes) {
    accumulate<M, V, first>(weights, values, out, {at, kLanes});
  }
  for (; at < r.width; at += kLanes) {
    const std::int64_t rest = r.width - at < kLanes ? r.width - at : kLanes;
    accumulate<M, 1, first>(weights, values, out, {at, rest});
  }
}

enum class Pass { keys, values };

template <Pass pass, int M, bool first>
void visit(const PagedRows& r, std::int64_t query, const Block& block, std::int64_t begin) {
  if constexpr (pass == Pass::keys) {
    multiply_keys<M, first>(r, query, block, begin);
  } else {
    add_values<M, first>(r, query, block, begin);
  }
}

// The next of `queries` > 0 queries, as many as a tile takes. Returns how many.
template <Pass pass, int M = kQueries>
std::int64_t visit_some(const PagedRows& r, std::int64_t query, std::int64_t queries, bool first,
                        const Block& block, std::int64_t begin) {
  if constexpr (M > 1) {
    if (queries < M) return visit_some<pass, M - 1>(r, query, queries, first, block, begin);
  }
  first ? visit<pass, M, true>(r, query, block, begin)
        : visit<pass, M, false>(r, query, block, begin);
  return M;
}

template <Pass pass>
void visit_all(const PagedRows& r, std::int64_t query, std::int64_t last, const Block& block,
               std::int64_t begin) {
  for (bool first = true; query < last; first = false) {
    query += visit_some<pass>(r, query, last - query, first, block, begin);
  }
}

// The shared positions from `begin`, for the queries that see them: the later ones see more.
template <Pass pass>
void visit_shared(const PagedRows& r, std::int64_t queries, Block& block, std::int64_t begin) {
  std::int64_t all = queries;  // those from here on see the whole block
  while (all > 0 && shared_length(r, all - 1) >= begin + block.count) --all;
  visit_all<pass>(r, all, queries, block, begin);
  const std::int64_t count = block.count;
  for (std::int64_t q = 0; q < all; ++q) {
    const std::int64_t seen = shared_length(r, q) - begin;
    if (seen <= 0) continue;
    block.count = seen < count ? seen : count;
    visit<pass, 1, false>(r, q, block, begin);
  }
}

// Each shared key, or value, is fetched once for all queries of a task. The task behind it is that
// of the next key head where all rows are one task, as those of a step are.
template <Pass pass>
void go_through(const PagedRows& r) {
  const std::int64_t group = r.query_heads / r.key_heads;
  const std::int64_t queries = (r.last_row - r.first_row) * group;
  const std::int64_t next_head = r.key_head + 1 < r.key_heads ? r.key_head + 1 : r.key_head;
  const Walk walk = pass == Pass::keys ? Walk(r, r.keys, r.values, r.key_head)
                                       : Walk(r, r.values, r.keys, next_head);
  Block block;
  for (std::int64_t j = 0; j < r.shared; j += kBlock) {
    walk.shared_block(j, block);
    visit_shared<pass>(r, queries, block, j);
  }
  for (std::int64_t row = r.first_row; row < r.last_row; ++row) {
    const std::int64_t q = (row - r.first_row) * group;
    for (std::int64_t j = 0; j < r.tail; j += kBlock) {
      walk.tail_block(row * r.tail + j, r.tail - j, block);
      visit_all<pass>(r, q, q + group, block, shared_length(r, q) + j);
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
