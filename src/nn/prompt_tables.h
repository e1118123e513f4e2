// What prompts read, on the device at addresses that stay: see step_tables.h.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "nn/kv_cache.h"
#include "nn/rows.h"
#include "nn/runtime.h"

namespace instructblip::nn {

struct PromptContent {
  std::span<const at::Tensor> prompts;  // [rows of each, L] of the type that rows have
  std::span<KvCache* const> caches;     // one of each, that holds nothing but what has been begun
};

class PromptTables {
 public:
  // Most rows whose launches are worth keeping, and the memory between them.
  static constexpr std::int64_t kMostRows = 1024;

  // Whether a device launches prompts of so many rows again, and its kernels read tables.
  static bool are_read(const KvPool& pool, std::int64_t rows);

  explicit PromptTables(const PromptContent& content);

  const StepKey& key() const { return key_; }
  const at::Tensor& rows() const { return rows_; }            // [N, L]
  const at::Tensor& positions() const { return positions_; }  // [N] int32
  const SequenceTables& sequences() const { return sequences_; }

 private:
  StepKey key_;
  at::Tensor rows_, positions_;
  SequenceTables sequences_;
};

}  // namespace instructblip::nn
