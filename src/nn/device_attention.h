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

// As the functions of attention.h, with queries and keys that are turned.
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
};
struct Appended {
  bool done = false;
  at::Tensor queries = {};  // turned, where they were given
};
Appended append_on_device(const KvRows& rows, std::int64_t layer);

}  // namespace instructblip::nn
