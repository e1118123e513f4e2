// From pixels to what the language model is shown of them, without doing anything twice.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>
#include <vector>

#include "checkpoint/tiling.h"
#include "pipeline/lru_cache.h"
#include "pipeline/stages.h"

namespace instructblip {

// A picture after the vision encoder.
struct SeenPicture {
  at::Tensor rows;        // [T, P, V], T views: one, or more where it is cut into tiles
  std::uint64_t id;       // no other picture that was seen in this process has it
  PictureSize size = {};  // where a cache does not hold it: equal pixels may come of two sizes
};

// A name for a picture whose rows come from elsewhere.
std::uint64_t new_picture_id();

// A picture to be read with an instruction.
struct Reading {
  SeenPicture picture;
  std::span<const std::int32_t> instruction;  // of the Q-Former; borrowed
};

// Two caches, because the stages read different things: the vision encoder the pixels alone, the
// Q-Former the picture and the instruction. The first is looked up by the pixels that the encoder
// would get, compared to the last bit, so that no two pictures are ever taken for each other. Of
// several callers with the same new picture the first encodes it and the others, whose turn comes
// later, find it in the cache; a pass that throws leaves nothing behind.
// Threads: called on the runtime's thread only, but for usage().
class ImageReader {
 public:
  // Both caches together hold at most `cache_bytes`.
  ImageReader(const Stages& stages, std::int64_t cache_bytes);

  struct Seen {
    SeenPicture picture;
    bool cached;
  };
  // Each [T, 3, H, W]. Equal ones, and those that are in the cache, are encoded once.
  // Errors: bad_model (the output is not finite).
  std::vector<Seen> see(std::span<const at::Tensor> pixels);

  struct Read {
    at::Tensor queries;  // [1, Q, D]; the visual rows without a Q-Former
    bool cached;
  };
  // Equal ones, and those that are in the cache, are read once. Errors: as see().
  std::vector<Read> read(std::span<const Reading> readings);

  CacheReport usage() const;

 private:
  // The bytes of a tensor as a key.
  struct PixelsKey {
    at::Tensor pixels;  // contiguous
    bool operator==(const PixelsKey& other) const;
  };
  struct PixelsHash {
    std::size_t operator()(const PixelsKey& key) const;
  };
  struct ReadingKey {
    std::uint64_t picture;
    std::vector<std::int32_t> instruction;
    bool operator==(const ReadingKey& other) const = default;
  };
  struct ReadingHash {
    std::size_t operator()(const ReadingKey& key) const;
  };

  const Stages& stages_;
  LruCache<PixelsKey, SeenPicture, PixelsHash> seen_;
  LruCache<ReadingKey, at::Tensor, ReadingHash> read_;
  mutable std::mutex report_mutex_;
  CacheReport report_;  // of the caches after the last call
};

}  // namespace instructblip
