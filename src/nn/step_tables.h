// What a step reads of its requests, on the device at addresses that stay: so that one list of
// launches serves all steps of a size.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "nn/kv_cache.h"
#include "nn/runtime.h"

namespace instructblip::nn {

// S requests, padded | H rows of each, its hypotheses, padded | R = S * H
// P shared positions, padded | T positions of a row's own, padded

// Which slots the rows of a step see.
struct StepSlots {
  const KvPool* pool = nullptr;
  std::int64_t requests = 0, rows = 0;  // S, H
  at::Tensor lengths;                   // [S, 2] int32: how many positions are shared, and how many
                                        // are a row's own
  at::Tensor shared;                    // [S, P]
  at::Tensor tails;                     // [R, T]
  at::Tensor newest;                    // [R]; undefined where nothing is added
  at::Tensor counters;                  // [S * G] zeros, for kernels, which leave zeros

  std::int64_t max_shared() const { return shared.size(1); }
  std::int64_t max_tail() const { return tails.size(1); }
};

struct StepContent {
  std::int64_t model;                           // that has no other's key
  std::int64_t rows;                            // H
  std::span<KvCache*const> caches, memories;    // one of each request, whose step has been begun
  std::vector<std::int32_t> tokens, positions;  // [R]: of requests that are padded, 0
};

// Numbers of requests, and of positions, are rounded up to a few sizes. A padded request sees a
// page that is nobody's, as does a padded row, which writes there.
class StepTables {
 public:
  StepTables(const Runtime& runtime, const StepContent& content);

  // Whether what its key has recorded reads the pages where they are by now.
  bool reads_pages_of_today() const;

  // Requests as they are padded to.
  static std::int64_t padded_requests(std::int64_t requests);

  const StepKey& key() const { return key_; }
  const at::Tensor& tokens() const { return tokens_; }        // [R] int32
  const at::Tensor& positions() const { return positions_; }  // [R] int32
  const StepSlots& cache() const { return cache_; }
  const StepSlots& memory() const {
    return memory_;
  }  // an encoder's; without a pool where there is none

 private:
  StepKey key_;
  at::Tensor tokens_, positions_;
  StepSlots cache_, memory_;
};

// A step that a device has recorded, and can launch again when its tables hold something else, as
// long as no text becomes longer than `max_length`.
struct RecordedTables {
  StepTables tables;
  // Use of the key by this step; a later one may have put other rows into the tables.
  std::uint64_t last_use;
  std::int64_t max_length;
};

}  // namespace instructblip::nn
