// Keys and values of a decoder's self-attention, shared between hypotheses.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

namespace instructblip::nn {

// H heads | d width of a head | P positions of the shared segment | T positions of the tail | R
// rows
//
// What one layer attends to. The keys of row r are the P shared ones, then the T tail ones of row
// r.
struct KvView {
  at::Tensor shared_keys, shared_values;  // [1, H, P, d]
  at::Tensor tail_keys, tail_values;      // [R, H, T, d]; undefined where T = 0
};

// The prompt is stored once, whatever the number of hypotheses. What hypotheses add lies in pages
// of one position; a page holds a slot for each row of the step that wrote it, and a table says
// which slot of each page belongs to which row. Reordering beams permutes the table: no key or
// value is moved; there may be more of them after a step, or fewer. While a single hypothesis runs,
// its positions extend the shared segment instead.
class KvCache {
 public:
  explicit KvCache(std::int64_t layers) : layers_(layers) {}

  // Forgets everything.
  void clear() noexcept;

  // The prompt's keys and values, [1, H, P, d]; once for each layer, before any step.
  void store_prompt(std::int64_t layer, const at::Tensor& keys, const at::Tensor& values);

  // Begins a position: row r continues the row sources[r] of the position before (0 after the
  // prompt).
  void begin_step(std::span<const std::int32_t> sources);
  // As if the last begin_step() had not been: of a step that failed. Once after it.
  void undo_step();

  // The position's keys and values of one layer, [R, H, 1, d]; returns what its rows attend to, the
  // position itself included.
  KvView append(std::int64_t layer, const at::Tensor& keys, const at::Tensor& values);

  // What the layer holds, where nothing is appended to it.
  KvView view(std::int64_t layer) const;

  // Positions that every row can see, the one begun included.
  std::int64_t length() const { return now_.shared_length + tail_length(); }

 private:
  struct Layer {
    at::Tensor shared_keys, shared_values;  // [1, H, capacity, d]
    at::Tensor tail_keys, tail_values;      // [capacity, H, d]: slots, page after page
  };

  std::int64_t tail_length() const { return static_cast<std::int64_t>(now_.pages.size()); }
  void append_shared(Layer& layer, const at::Tensor& keys, const at::Tensor& values) const;
  void append_tail(Layer& layer, const at::Tensor& keys, const at::Tensor& values) const;

  // What a step changes but for keys and values, which only a table reaches.
  struct Table {
    std::int64_t shared_length = 0;
    std::int64_t slots = 0;                        // of all pages
    std::vector<std::vector<std::int32_t>> pages;  // [T][R]: the slot in page t that row r reads
  };

  // The rows of tail_keys that a step reads.
  static at::Tensor make_gather(const Table& table, std::size_t rows);

  std::vector<Layer> layers_;
  Table now_, before_;  // the last step
  at::Tensor gather_;   // [R * T] rows of tail_keys, row-major by (r, t)
};

}  // namespace instructblip::nn
