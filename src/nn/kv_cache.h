// Keys and values of a decoder's attention in pages, shared between hypotheses.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "nn/kv_pool.h"
#include "nn/runtime.h"

namespace instructblip::nn {

// G key heads | d width of a head | P shared positions | T positions of the tail | R rows

// Slots, one after the other, where the runtime has its tensors.
struct SlotTable {
  at::Tensor slots = {};             // int32
  at::Tensor page = {}, place = {};  // the same slots, int64; undefined where kernels read slots
};

// What the rows of one layer attend to: the P shared positions, then the T tail positions of each
// row. A slot is page * KvPool::kPagePositions + place in the page. Valid until the cache changes.
struct KvView {
  const KvPool* pool;
  std::span<const KvPage> pages;
  std::int64_t layer;
  SlotTable shared;  // [P]
  SlotTable tail;    // [R, T]
  SlotTable newest;  // [R], the positions that have been begun

  // page -> [G, kPagePositions, d], for kernels of the processor.
  std::vector<float*> keys() const { return places(0); }
  std::vector<float*> values() const { return places(1); }

 private:
  std::vector<float*> places(std::int64_t which) const;
};

// The prompt is stored once, whatever the number of hypotheses. A position takes a slot for each
// row of the step that wrote it, and a table says which slots belong to which row. Reordering beams
// permutes the table, and keys and values stay where they are; there may be more rows after a step,
// or fewer. While a single hypothesis runs, its positions extend the shared ones instead.
class KvCache {
 public:
  explicit KvCache(const KvPool& pool) : pool_(&pool) {}
  const KvPool& pool() const { return *pool_; }
  ~KvCache() { clear(); }
  KvCache(const KvCache&) = delete;
  KvCache& operator=(const KvCache&) = delete;

  // Forgets everything.
  void clear() noexcept;

  // Begins `rows` positions that follow one another: a prompt, or several tokens more of the one
  // hypothesis that there is. Throws Error(internal) where there are several.
  void begin_sequence(std::int64_t rows);
  // Begins one position: row r continues the row sources[r] of the position before (0 after a
  // sequence).
  void begin_step(std::span<const std::int32_t> sources);
  // The slots that the rows of coming steps will take, `rows` of them in all, in their order.
  std::vector<std::int32_t> coming_slots(std::int64_t rows);
  // Takes back the last begin_sequence() or begin_step(), after which the computation has failed.
  // Once after each.
  void undo() noexcept;

  // Remembers what the cache holds, and forgets what was kept by this number or a higher one.
  void keep(std::size_t number);
  // Returns to what the cache held when that number was kept, any number of times. Later positions
  // are lost.
  void go_back(std::size_t number);

  // Keys and values of one layer at the positions that have been begun, [R, G, d].
  void append(std::int64_t layer, const at::Tensor& keys, const at::Tensor& values);

  KvView view(std::int64_t layer) const;

  // The slots in the host's memory, [P], [R, T] and [R]; valid until the cache changes.
  struct Slots {
    std::span<const std::int32_t> shared, tails, newest;
    std::int64_t tail;  // T
  };
  Slots slots() const { return {table_.shared, table_.rows, table_.newest, table_.tail_length}; }

  // Positions that the last row sees, those begun included.
  std::int64_t length() const { return std::ssize(table_.shared) + table_.tail_length; }

 private:
  // Which slots belong to which row.
  struct Table {
    std::vector<std::int32_t> shared = {};  // [P]
    std::vector<std::int32_t> rows = {};    // [R, T]
    std::vector<std::int32_t> newest = {};
    std::int64_t tail_length = 0;  // T
    std::int64_t slots = 0;        // number of slots taken
    // The first three as tensors, made when they are first asked for.
    SlotTable shared_there = {}, rows_there = {}, newest_there = {};
  };

  // Adds slots for `rows` positions to `table`, all of them in `newest`.
  void take_slots(Table& table, std::int64_t rows);
  // Makes `next` the table.
  void begin(Table next) { before_ = std::exchange(table_, std::move(next)); }

  const KvPool* pool_;
  std::vector<KvPage> pages_;
  mutable Table table_;
  Table before_;  // before the last begin
  std::map<std::size_t, Table> kept_;
};

}  // namespace instructblip::nn
