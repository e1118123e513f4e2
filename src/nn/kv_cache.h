// Keys and values of a decoder's attention, shared between hypotheses, in pages that never move.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "nn/runtime.h"

namespace instructblip::nn {

// G key heads | d width of a head | P shared positions | T positions of the tail | R rows

// What the caches of one model have in common: where their pages come from, and how large they are.
// Immutable; must outlive them.
class KvPool {
 public:
  // Positions of a page. The keys of one head lie one after the other in it.
  static constexpr std::int64_t kPagePositions = 16;

  KvPool(const Runtime& runtime, std::int64_t layers, std::int64_t key_heads,
         std::int64_t head_width)
      : runtime_(&runtime), layers_(layers), key_heads_(key_heads), head_width_(head_width) {}

  // [layers, keys and values, G, kPagePositions, d], without values.
  at::Tensor page() const;

  const Runtime& runtime() const { return *runtime_; }
  std::int64_t key_heads() const { return key_heads_; }
  std::int64_t head_width() const { return head_width_; }

 private:
  const Runtime* runtime_;
  std::int64_t layers_, key_heads_, head_width_;
};

// What the rows of one layer attend to: the P shared positions, then the T tail positions of each
// row. A slot is page * KvPool::kPagePositions + place in the page. Valid until the cache changes.
struct KvView {
  std::vector<float*> keys, values;      // page -> [G, kPagePositions, d]
  std::int64_t key_heads;                // G
  std::span<const std::int32_t> shared;  // [P] slots
  std::span<const std::int32_t> tail;    // [R, T] slots
  std::int64_t tail_length;              // T
  std::span<const std::int32_t> newest;  // [R] slots of the positions that have been begun
};

// The prompt is stored once, whatever the number of hypotheses. A position takes a slot for each
// row of the step that wrote it, and a table says which slots belong to which row. Reordering beams
// permutes the table: no key or value is moved or gathered; there may be more rows after a step, or
// fewer. While a single hypothesis runs, its positions extend the shared ones instead.
class KvCache {
 public:
  explicit KvCache(const KvPool& pool) : pool_(&pool) {}

  // Forgets everything.
  void clear() noexcept;

  // Begins `rows` positions that follow one another: a prompt, or several tokens more of the one
  // hypothesis that there is. Throws Error(internal) where there are several.
  void begin_sequence(std::int64_t rows);
  // Begins one position: row r continues the row sources[r] of the position before (0 after a
  // sequence).
  void begin_step(std::span<const std::int32_t> sources);
  // As if the last begin_sequence() or begin_step() had not been: of one that failed. Once after
  // it.
  void undo() noexcept;

  // Keys and values of one layer at the positions that have been begun, [R, G, d].
  void append(std::int64_t layer, const at::Tensor& keys, const at::Tensor& values);

  KvView view(std::int64_t layer) const;

  // Positions that the last row sees, those begun included.
  std::int64_t length() const { return std::ssize(table_.shared) + table_.tail_length; }

 private:
  // Which slots belong to which row.
  struct Table {
    std::vector<std::int32_t> shared = {};  // [P]
    std::vector<std::int32_t> rows = {};    // [R, T]
    std::vector<std::int32_t> newest = {};
    std::int64_t tail_length = 0;  // T
    std::int64_t slots = 0;        // that are taken
  };

  // `table` with slots for `rows` positions more, all of them in `newest`.
  void take_slots(Table& table, std::int64_t rows);

  const KvPool* pool_;
  std::vector<at::Tensor> pages_;
  Table table_, before_;  // before the last begin
};

}  // namespace instructblip::nn
