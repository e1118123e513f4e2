// Where the caches of one model take their pages from.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <memory>
#include <span>

#include "nn/runtime.h"

namespace instructblip::nn {

// G key heads | d width of a head

// A page of a cache: [layers, keys and values, G, KvPool::kPagePositions, d].
struct KvPage {
  std::int32_t number;     // slots of the page begin at number * KvPool::kPagePositions
  at::Tensor values = {};  // undefined where all pages lie in KvPool::storage()
};

// Kernels of the processor read a page wherever it lies: each is a tensor of its own, numbered
// within its cache, and its memory goes with the cache. Compositions, and kernels of a device, read
// all pages of all caches in one tensor, by number, so that what a step does depends on tables of
// slots alone: not on which request it is for.
//
// Thread-safe. Must outlive its caches.
class KvPool {
 public:
  // Positions of a page. The keys of one head lie one after the other in it.
  static constexpr std::int64_t kPagePositions = 16;

  KvPool(const Runtime& runtime, std::int64_t layers, std::int64_t key_heads,
         std::int64_t head_width);
  ~KvPool();
  KvPool(const KvPool&) = delete;
  KvPool& operator=(const KvPool&) = delete;

  // A page without values, the `index`-th of its cache.
  KvPage take(std::size_t index) const;
  void give_back(std::span<const KvPage> pages) const noexcept;

  // Whether all pages lie in storage().
  bool in_one_piece() const { return one_piece_ != nullptr; }
  // [pages, layers, keys and values, G, kPagePositions, d] of the type that rows have, all numbers
  // finite. take() may replace it by a larger one.
  at::Tensor storage() const;
  // Addresses in it, [layers, keys and values, pages] int64: what a device's kernels find pages by.
  // Undefined where they do not take heads of this width.
  at::Tensor addresses() const;
  // Where both lie now, and how many pages there are: what recorded work has taken for granted.
  std::array<std::int64_t, 3> place() const;
  // A row of that table: the keys or the values of a layer, page by page.
  enum class Plane { keys, values };
  static void* const* pages_of(const at::Tensor& addresses, std::int64_t layer, Plane plane);
  // A page that belongs to nobody, for what a padded row writes and reads.
  std::int32_t spare_page() const;

  const Runtime& runtime() const { return *runtime_; }
  std::int64_t key_heads() const { return key_heads_; }
  std::int64_t head_width() const { return head_width_; }

 private:
  struct OnePiece;
  at::Tensor addresses_of(const at::Tensor& storage) const;

  const Runtime* runtime_;
  std::int64_t layers_, key_heads_, head_width_;
  std::unique_ptr<OnePiece> one_piece_;
};

}  // namespace instructblip::nn
