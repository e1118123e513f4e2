// Attention by kernels of a device, over rows in half precision. What returns an undefined tensor,
// or false, has done nothing: the device has no kernel for it, and it is an ATen composition.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "nn/attention.h"
#include "nn/heads.h"
#include "nn/kv_pool.h"
#include "nn/rows.h"

namespace instructblip::nn {

// As the functions of attention.h: queries and keys of the latter are turned on the way.
at::Tensor attend_on_device(const Heads& heads, const AttentionOptions& options);
at::Tensor attend_on_device(const Heads& heads, const Rows& rows, std::int64_t layer,
                            const AttentionOptions& options);

// New rows, and the slots that they go to.
struct KvRows {
  const KvPool* pool;
  at::Tensor slots;         // [n] int32
  at::Tensor queries;       // [n, H, d], which are turned with the keys; undefined: nothing is
  at::Tensor keys, values;  // [n, G, d]
  const Rotation* turn = nullptr;
  std::int64_t first = 0;   // which of those that `turn` is of the first row is
  bool keeps_keys = false;  // turned keys are wanted beside those in pages
};
struct Appended {
  bool done = false;
  at::Tensor queries = {}, keys = {};  // turned, where they were given or wanted
};
Appended append_on_device(const KvRows& rows, std::int64_t layer);
// Keys and values of packed sequences into their caches, turned where they are still to be.
Appended remember_on_device(const Heads& heads, const Rows& rows, std::int64_t layer);

}  // namespace instructblip::nn
