// The loops of attention of whole sequences, for the instruction set that the including file is
// compiled for.
#pragma once

#include "kernels/cpu/attention_rows.h"
#include "kernels/cpu/attention_tiles.h"
#include "kernels/cpu/exp.h"
#include "kernels/cpu/panel_turn.h"

namespace instructblip::kernels::cpu {
namespace {

INSTRUCTBLIP_KERNEL std::int64_t panels_over(std::int64_t columns) {
  return (columns + kLanes - 1) / kLanes;
}

// Keys that row i of the sequence sees.
INSTRUCTBLIP_KERNEL std::int64_t seen_by(const AttentionRows& r, std::int64_t i) {
  return r.causal ? r.seen_by_first + i : r.seen_by_first;
}

// Keys and values that the rows see, as products take them.
INSTRUCTBLIP_KERNEL void pack_head(const AttentionRows& r) {
  const std::int64_t seen = seen_by(r, r.last_row - 1);
  for (std::int64_t key = 0; key < seen; key += kLanes) {
    const std::int64_t left = r.keys - key;
    const RowsOfPanel rows{reinterpret_cast<const std::byte*>(r.key_rows + key * r.key_stride),
                           static_cast<std::size_t>(r.key_stride) * sizeof(float),
                           left < kLanes ? left : kLanes};
    turn_panel(rows, r.width, r.key_panels + key * r.width);
  }
  for (std::int64_t at = 0; at < r.width; at += kLanes) {
    float* const to = r.value_panels + at * r.keys;
    for (std::int64_t j = 0; j < seen; ++j) {
      const float* const from = r.value_rows + j * r.value_stride + at;
      // Columns behind the head's are nobody's: whatever stands there may be read.
      const bool more = (r.keys - 1 - j) * r.value_stride >= kLanes;
      store(more ? load(from) : load_up_to(from, r.width - at), to + j * kLanes);
    }
  }
}

// Products of a query with the keys that it sees.
struct Scores {
  float* at;
  std::int64_t seen, stride;
  const float* bias;  // or null
  float factor;
};

// Products become scores, -infinity where nothing is seen; the largest is returned.
template <bool biased>
INSTRUCTBLIP_KERNEL float score(const Scores& s) {
  const Lanes factor = broadcast(s.factor), nothing = broadcast(-__builtin_inff());
  Lanes maxima = nothing;
  for (std::int64_t j = 0; j < s.seen; j += kLanes) {
    for (std::int64_t i = s.seen; i < j + kLanes; ++i) s.at[i] = -__builtin_inff();
    Lanes scores = multiply(load(s.at + j), factor);
    if constexpr (biased) scores = add(scores, load_up_to(s.bias + j, s.seen - j));
    store(scores, s.at + j);
    maxima = larger(scores, maxima);
  }
  return largest(maxima);
}

// Products become weights exp(score - max), 0 where nothing is seen; their sum is returned.
INSTRUCTBLIP_KERNEL float softmax(const Scores& s) {
  const Lanes max = broadcast(s.bias == nullptr ? score<false>(s) : score<true>(s));
  Lanes total = broadcast(0.0f);
  std::int64_t j = 0;
  for (; j < s.seen; j += kLanes) {
    const Lanes weights = exp_non_positive(subtract(load(s.at + j), max));
    store(weights, s.at + j);
    total = add(total, weights);
  }
  for (std::int64_t i = s.seen; i < j; ++i) s.at[i] = 0.0f;
  for (; j < s.stride; j += kLanes) store(broadcast(0.0f), s.at + j);
  return sum(total);
}

// The rows [first, last) of one query head: one block at most.
struct HeadBlock {
  std::int64_t head, first, last;
};

INSTRUCTBLIP_KERNEL void attend(const AttentionRows& r, const HeadBlock& b) {
  const std::int64_t rows = b.last - b.first, seen = seen_by(r, b.last - 1);
  const std::int64_t stride = panels_over(seen) * kLanes, width = panels_over(r.width) * kLanes;
  const float* const queries = r.query_rows + b.first * r.query_stride + b.head * r.width;
  multiply({queries, r.query_stride, r.key_panels, r.width * kLanes, 0, r.scores, stride, true},
           rows, panels_over(seen), [&](std::int64_t) { return r.width; });
  float totals[kMostRowsOfBlock];
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::int64_t i = b.first + row;
    const float* const bias = r.bias == nullptr ? nullptr : r.bias + b.head * r.bias_stride - i;
    totals[row] = softmax({r.scores + row * stride, seen_by(r, i), stride, bias, 1.0f / r.divisor});
  }
  for (std::int64_t first = 0; first < seen; first += kPositionsOfBlock) {
    multiply({r.scores + first, stride, r.value_panels + first * kLanes, r.keys * kLanes, 0, r.sums,
              width, first == 0},
             rows, panels_over(r.width), [&](std::int64_t row) {
               const std::int64_t left = seen_by(r, b.first + row) - first;
               return left < 0 ? 0 : left < kPositionsOfBlock ? left : kPositionsOfBlock;
             });
  }
  for (std::int64_t row = 0; row < rows; ++row) {
    float* const out = r.out + (b.first + row) * r.out_stride + b.head * r.width;
    for (std::int64_t at = 0; at < r.width; at += kLanes) {
      const Lanes y = divide(load(r.sums + row * width + at), broadcast(totals[row]));
      if (r.width - at >= kLanes) {
        store(y, out + at);
      } else {
        store_first(y, r.width - at, out + at);
      }
    }
  }
}

void attention_rows(const AttentionRows& r) {
  if (r.first_row >= r.last_row) return;
  pack_head(r);
  for (std::int64_t head = 0; head < r.group; ++head) {
    for (std::int64_t first = r.first_row; first < r.last_row; first += r.rows_of_block) {
      const std::int64_t end = first + r.rows_of_block;
      attend(r, {head, first, end < r.last_row ? end : r.last_row});
    }
  }
}

}  // namespace
}  // namespace instructblip::kernels::cpu
