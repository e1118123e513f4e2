// Queries, keys and values: rows as the heads of an attention see them.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "nn/linear.h"
#include "nn/normalization.h"
#include "nn/weights.h"

namespace instructblip::nn {

class Rotation;
struct Rows;

// H query heads | G key heads, H a multiple of G | d width of a head
struct Heads {
  at::Tensor queries;       // [..., H, d]
  at::Tensor keys, values;  // [..., G, d]
  // By which queries and keys are still to be turned: a device does so on their way to the pages.
  const Rotation* turn = nullptr;
};

// Heads [..., H, d] side by side, rows any distance apart: what is not so is copied.
at::Tensor heads_side_by_side(const at::Tensor& x);

// The attention that heads are made for: a layer, over the caches of rows.
struct AttentionPlace {
  const Rows* rows;
  std::int64_t layer;
  const Rotation* turn = nullptr;  // turns queries and keys; null: nothing does
};

struct HeadsConfig {
  // Names of the three layers below the weights; `query` alone where one layer has the rows of
  // queries, then of keys, then of values.
  std::string_view query, key = {}, value = {};
  std::int64_t width;  // width of the rows that queries are made of
  std::optional<std::int64_t> memory_width =
      {};  // width of other rows that keys and values are made of
  std::int64_t heads, key_heads, head_width;
  Linear::Bias bias = Linear::Bias::present;
};

// The linear layers in front of an attention.
class HeadsProjection {
 public:
  HeadsProjection(const Weights& weights, const HeadsConfig& config);

  // Self-attention: x [..., width]. Not where the config has a memory width.
  Heads operator()(const Normed& x) const;
  // The same of rows [N, width] whose attention is known. A device may put keys and values into
  // their pages on the way: they are undefined then, and attend() finds them there.
  Heads operator()(const Normed& x, const AttentionPlace& place) const;
  // Cross-attention: x [..., width], memory [..., memory width].
  Heads operator()(const at::Tensor& x, const at::Tensor& memory) const;
  // The queries alone; the keys and values alone.
  Heads queries_of(const Normed& x) const;
  Heads memory_of(const at::Tensor& memory) const;

  // The product of self-attention, and that of the queries alone, as kernels of a device may take
  // them; none: they do not.
  std::optional<ProductWith> all_on_device() const;
  std::optional<ProductWith> queries_on_device() const;

 private:
  at::Tensor in_heads(const at::Tensor& x) const;  // [..., n * d] -> [..., n, d]

  std::int64_t head_width_;
  std::array<std::int64_t, 3> rows_;  // rows of the weight: queries, keys, values
  std::optional<Linear> all_;         // the one product of self-attention
  Linear query_, key_value_;
};

}  // namespace instructblip::nn
