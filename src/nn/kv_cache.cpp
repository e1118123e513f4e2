#include "nn/kv_cache.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/index_select.h>

#include <algorithm>
#include <numeric>
#include <utility>

namespace instructblip::nn {
namespace {

constexpr std::int64_t kFirstPositions = 32;

// A tensor like `old` whose dimension `dim` has room for `needed`; the first `used` are copied.
at::Tensor grown(const at::Tensor& old, std::int64_t dim, std::int64_t used, std::int64_t needed) {
  if (needed <= old.size(dim)) return old;
  std::vector<std::int64_t> shape = old.sizes().vec();
  shape[static_cast<std::size_t>(dim)] = std::max(needed + kFirstPositions, 2 * old.size(dim));
  at::Tensor larger = at::empty(shape, old.options());
  larger.narrow(dim, 0, used).copy_(old.narrow(dim, 0, used));
  return larger;
}

}  // namespace

void KvCache::clear() noexcept {
  for (Layer& layer : layers_) layer = {};
  now_ = {};
  before_ = {};
  gather_ = at::Tensor();
}

void KvCache::store_prompt(std::int64_t layer, const at::Tensor& keys, const at::Tensor& values) {
  Layer& l = layers_[static_cast<std::size_t>(layer)];
  now_.shared_length = keys.size(2);
  l.shared_keys = keys.contiguous();
  l.shared_values = values.contiguous();
}

void KvCache::begin_step(std::span<const std::int32_t> sources) {
  const std::size_t rows = sources.size();
  Table next{now_.shared_length, now_.slots, {}};
  if (rows == 1 && now_.pages.empty()) {
    ++next.shared_length;
    before_ = std::exchange(now_, std::move(next));
    return;
  }
  next.slots += static_cast<std::int64_t>(rows);
  next.pages.reserve(now_.pages.size() + 1);
  for (const std::vector<std::int32_t>& page : now_.pages) {
    std::vector<std::int32_t>& reordered = next.pages.emplace_back(rows);
    for (std::size_t r = 0; r < rows; ++r)
      reordered[r] = page[static_cast<std::size_t>(sources[r])];
  }
  std::vector<std::int32_t>& newest = next.pages.emplace_back(rows);
  std::iota(newest.begin(), newest.end(), static_cast<std::int32_t>(now_.slots));
  at::Tensor gather = make_gather(next, rows);
  before_ = std::exchange(now_, std::move(next));
  gather_ = std::move(gather);
}

void KvCache::undo_step() {
  now_ = std::move(before_);
  before_ = {};
}

at::Tensor KvCache::make_gather(const Table& table, std::size_t rows) {
  const auto positions = static_cast<std::int64_t>(table.pages.size());
  at::Tensor gather = at::empty({static_cast<std::int64_t>(rows) * positions}, at::dtype(at::kInt));
  auto* index = gather.data_ptr<std::int32_t>();
  for (std::size_t r = 0; r < rows; ++r) {
    for (const std::vector<std::int32_t>& page : table.pages) *index++ = page[r];
  }
  return gather;
}

KvView KvCache::append(std::int64_t layer, const at::Tensor& keys, const at::Tensor& values) {
  Layer& l = layers_[static_cast<std::size_t>(layer)];
  if (now_.pages.empty()) {
    append_shared(l, keys, values);
  } else {
    append_tail(l, keys, values);
  }
  return view(layer);
}

KvView KvCache::view(std::int64_t layer) const {
  const Layer& l = layers_[static_cast<std::size_t>(layer)];
  KvView view;
  if (l.shared_keys.defined()) {
    view.shared_keys = l.shared_keys.narrow(2, 0, now_.shared_length);
    view.shared_values = l.shared_values.narrow(2, 0, now_.shared_length);
  }
  if (!now_.pages.empty()) {
    const auto rows = static_cast<std::int64_t>(now_.pages.front().size());
    const auto gathered = [&](const at::Tensor& tail) {
      return at::index_select(tail, 0, gather_)
          .view({rows, tail_length(), tail.size(1), tail.size(2)})
          .transpose(1, 2);  // [R, H, T, d]
    };
    view.tail_keys = gathered(l.tail_keys);
    view.tail_values = gathered(l.tail_values);
  }
  return view;
}

void KvCache::append_shared(Layer& layer, const at::Tensor& keys, const at::Tensor& values) const {
  const std::int64_t position = now_.shared_length - 1;
  const auto put = [&](at::Tensor& shared, const at::Tensor& added) {
    if (!shared.defined())
      shared = at::empty({1, added.size(1), 0, added.size(3)}, added.options());
    shared = grown(shared, 2, position, now_.shared_length);
    shared.narrow(2, position, 1).copy_(added);
  };
  put(layer.shared_keys, keys);
  put(layer.shared_values, values);
}

void KvCache::append_tail(Layer& layer, const at::Tensor& keys, const at::Tensor& values) const {
  const std::int64_t rows = keys.size(0);
  const std::int64_t used = now_.slots - rows;
  const auto put = [&](at::Tensor& tail, const at::Tensor& added) {
    if (!tail.defined()) tail = at::empty({0, added.size(1), added.size(3)}, added.options());
    tail = grown(tail, 0, used, now_.slots);
    tail.narrow(0, used, rows).copy_(added.squeeze(2));
  };
  put(layer.tail_keys, keys);
  put(layer.tail_values, values);
}

}  // namespace instructblip::nn
