// From pixels to what the language model is shown of them, without doing anything twice.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>
#include <vector>

#include "config/tiling.h"
#include "nn/pixel_values.h"
#include "pipeline/lru_cache.h"
#include "pipeline/stages.h"

namespace instructblip {

// A picture after the vision encoder.
struct EncodedPicture {
  // [T, P, V], T views: one, or more where it is cut into tiles. Where the runtime has its tensors,
  // or in the host's memory if they were read from a file.
  at::Tensor rows;
  std::uint64_t id;       // unique in this process
  PictureSize size = {};  // where a cache does not hold it: equal pixels may come of two sizes
};

// A name for a picture whose rows come from elsewhere.
std::uint64_t new_picture_id();

// What the Q-Former reads: a picture and an instruction.
struct QFormerInput {
  EncodedPicture picture;
  std::span<const std::int32_t> instruction;  // the Q-Former's ids; borrowed
};

// Two caches, because the stages read different things: the vision encoder the picture alone, the
// Q-Former the picture and the instruction. The first is looked up by the bytes that the encoder
// would be shown, all of them compared, so that no two pictures are ever taken for each other.
// Where several callers bring the same new picture, the first encodes it and the others, whose turn
// comes later, get a cache hit; a pass that throws leaves nothing behind.
// Threads: called on the runtime's thread only, but for usage().
class ImageReader {
 public:
  // For stages that run on `runtime`, and pictures whose bytes have these values. Both caches
  // together hold at most `cache_bytes`.
  ImageReader(const nn::Runtime& runtime, const Stages& stages, const kernels::PixelTable& values,
              std::int64_t cache_bytes);

  struct VisionOutput {
    EncodedPicture picture;
    bool cache_hit;
  };
  // Pictures, each [T, H, W, 3] uint8 in the host's memory. Equal ones, and those that are in the
  // cache, are encoded once. Errors: bad_model (the output is not finite).
  std::vector<VisionOutput> encode(std::span<const at::Tensor> pictures);

  struct QFormerOutput {
    at::Tensor queries;  // [1, Q, D]; the visual rows without a Q-Former
    bool cache_hit;
  };
  // Equal ones, and those that are in the cache, are computed once. Errors: as encode().
  std::vector<QFormerOutput> run_qformer(std::span<const QFormerInput> inputs);

  CacheReport usage() const;

  // What the stages have computed.
  struct Work {
    std::int64_t views = 0;     // through the vision encoder
    std::int64_t pictures = 0;  // through the Q-Former
  };
  Work work() const;

 private:
  // The bytes of a picture as a key, which are hashed once.
  struct ViewsKey {
    at::Tensor views;  // contiguous
    std::size_t hash;
    explicit ViewsKey(at::Tensor contiguous);
    ViewsKey copy() const;  // with bytes of its own
    bool operator==(const ViewsKey& other) const;
  };
  struct ViewsHash {
    std::size_t operator()(const ViewsKey& key) const { return key.hash; }
  };
  struct QFormerKey {
    std::uint64_t picture;
    std::vector<std::int32_t> instruction;
    bool operator==(const QFormerKey& other) const = default;
  };
  struct QFormerHash {
    std::size_t operator()(const QFormerKey& key) const;
  };

  const nn::Runtime& runtime_;
  const Stages& stages_;
  nn::PixelValues values_;
  LruCache<ViewsKey, EncodedPicture, ViewsHash> encoded_;
  LruCache<QFormerKey, at::Tensor, QFormerHash> queries_;
  mutable std::mutex report_mutex_;
  CacheReport report_;  // the caches after the last call
  Work work_;
};

}  // namespace instructblip
