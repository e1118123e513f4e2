// Queries, keys and values: rows as the heads of an attention see them.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "nn/linear.h"
#include "nn/weights.h"

namespace instructblip::nn {

class Rotation;

// H query heads | G key heads, H a multiple of G | d width of a head
struct Heads {
  at::Tensor queries;       // [..., H, d]
  at::Tensor keys, values;  // [..., G, d]
  // By which queries and keys are still to be turned: a device does so on their way to the pages.
  const Rotation* turn = nullptr;
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
  double query_scale = 1.0;  // multiplies the queries, bias included
};

// The linear layers in front of an attention.
class HeadsProjection {
 public:
  HeadsProjection(const Weights& weights, const HeadsConfig& config);

  // Self-attention: x [..., width]. Not where the config has a memory width.
  Heads operator()(const at::Tensor& x) const;
  // Cross-attention: x [..., width], memory [..., memory width].
  Heads operator()(const at::Tensor& x, const at::Tensor& memory) const;
  // The queries alone; the keys and values alone.
  Heads queries_of(const at::Tensor& x) const;
  Heads memory_of(const at::Tensor& memory) const;

 private:
  at::Tensor finished_queries(const at::Tensor& queries) const;
  at::Tensor in_heads(const at::Tensor& x) const;  // [..., n * d] -> [..., n, d]

  std::int64_t head_width_;
  double query_scale_;
  std::array<std::int64_t, 3> rows_;  // rows of the weight: queries, keys, values
  std::optional<Linear> all_;         // the one product of self-attention
  Linear query_, key_value_;
};

}  // namespace instructblip::nn
