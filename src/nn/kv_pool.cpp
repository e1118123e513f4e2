#include "nn/kv_pool.h"

#include <ATen/ops/zeros.h>

#include <algorithm>
#include <mutex>
#include <vector>

namespace instructblip::nn {
namespace {

constexpr std::int64_t kFirstPages = 16;

}  // namespace

struct KvPool::OnePiece {
  std::mutex mutex;
  at::Tensor storage;
  std::vector<std::int32_t> free;  // the least one last
};

KvPool::KvPool(const Runtime& runtime, std::int64_t layers, std::int64_t key_heads,
               std::int64_t head_width)
    : runtime_(&runtime), layers_(layers), key_heads_(key_heads), head_width_(head_width) {
  if (runtime.tables().paged_attention.empty()) one_piece_ = std::make_unique<OnePiece>();
}

KvPool::~KvPool() = default;

KvPage KvPool::take(std::size_t index) const {
  if (!in_one_piece()) {
    return {static_cast<std::int32_t>(index),
            runtime_->empty({layers_, 2, key_heads_, kPagePositions, head_width_}, at::kFloat)};
  }
  OnePiece& all = *one_piece_;
  const std::lock_guard lock(all.mutex);
  if (all.free.empty()) {
    const std::int64_t count = all.storage.defined() ? all.storage.size(0) : 0;
    const std::int64_t more = std::max(count, kFirstPages);
    // Zeros: a weight of 0 times what a slot held that nobody has written must be 0.
    const at::Tensor larger =
        at::zeros({count + more, layers_, 2, key_heads_, kPagePositions, head_width_},
                  runtime_->options(at::kFloat));
    if (count > 0) larger.narrow(0, 0, count).copy_(all.storage);
    all.free.reserve(static_cast<std::size_t>(count + more));  // so that give_back() cannot fail
    for (std::int64_t page = count + more; page-- > count;) {
      all.free.push_back(static_cast<std::int32_t>(page));
    }
    all.storage = larger;
  }
  const std::int32_t number = all.free.back();
  all.free.pop_back();
  return {number};
}

void KvPool::give_back(std::span<const KvPage> pages) const noexcept {
  if (!in_one_piece()) return;
  const std::lock_guard lock(one_piece_->mutex);
  for (const KvPage& page : pages) one_piece_->free.push_back(page.number);
}

at::Tensor KvPool::storage() const {
  const std::lock_guard lock(one_piece_->mutex);
  return one_piece_->storage;
}

}  // namespace instructblip::nn
