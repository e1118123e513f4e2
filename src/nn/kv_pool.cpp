#include "nn/kv_pool.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <mutex>
#include <optional>
#include <vector>

#include "nn/device_rows.h"

namespace instructblip::nn {
namespace {

constexpr std::int64_t kFirstPages = 16;

bool has_kernels_for(const Runtime& runtime, std::int64_t key_heads, std::int64_t head_width) {
  namespace cuda = kernels::cuda;
  const auto element = element_of(runtime.row_type());
  if (!element) return false;
  const auto heads = static_cast<std::int32_t>(key_heads);
  const auto width = static_cast<std::int32_t>(head_width);
  const cuda::PagedAttentionProblem attention{.element = *element,
                                              .requests = 1,
                                              .rows = 1,
                                              .query_heads = heads,
                                              .key_heads = heads,
                                              .width = width,
                                              .max_shared = 1,
                                              .page_positions = KvPool::kPagePositions};
  cuda::KvAppend::Problem append;
  append.element = *element;
  append.key_heads = heads;
  append.width = width;
  append.page_positions = KvPool::kPagePositions;
  return runtime.device_kernel(runtime.tables().cuda.paged_attention, attention) != nullptr &&
         runtime.device_kernel(runtime.tables().cuda.kv_append, append) != nullptr;
}

}  // namespace

struct KvPool::OnePiece {
  std::mutex mutex;
  bool by_kernels = false;
  at::Tensor storage, addresses;
  std::vector<std::int32_t> free;  // the least one last
  std::optional<std::int32_t> spare;
};

KvPool::KvPool(const Runtime& runtime, std::int64_t layers, std::int64_t key_heads,
               std::int64_t head_width)
    : runtime_(&runtime), layers_(layers), key_heads_(key_heads), head_width_(head_width) {
  if (!runtime.tables().paged_attention.empty()) return;
  one_piece_ = std::make_unique<OnePiece>();
  one_piece_->by_kernels = has_kernels_for(runtime, key_heads, head_width);
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
                  runtime_->options(runtime_->row_type()));
    if (count > 0) larger.narrow(0, 0, count).copy_(all.storage);
    const at::Tensor addresses = all.by_kernels ? addresses_of(larger) : at::Tensor();
    // From here on nothing can fail, and the pool is never half the larger one.
    all.free.reserve(static_cast<std::size_t>(count + more));  // so that give_back() cannot fail
    for (std::int64_t page = count + more; page-- > count;) {
      all.free.push_back(static_cast<std::int32_t>(page));
    }
    all.storage = larger;
    all.addresses = addresses;
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

at::Tensor KvPool::addresses_of(const at::Tensor& storage) const {
  const std::int64_t pages = storage.size(0);
  const at::Tensor table = at::empty({layers_, 2, pages}, host(at::kLong));
  auto* to = table.mutable_data_ptr<std::int64_t>();
  const auto first = reinterpret_cast<std::int64_t>(storage.mutable_data_ptr());
  const std::int64_t bytes = static_cast<std::int64_t>(storage.element_size()) * storage.stride(2);
  for (std::int64_t i = 0; i < 2 * layers_; ++i) {
    for (std::int64_t page = 0; page < pages; ++page) {
      *to++ = first + (page * 2 * layers_ + i) * bytes;
    }
  }
  return runtime_->upload(table);
}

at::Tensor KvPool::storage() const {
  const std::lock_guard lock(one_piece_->mutex);
  return one_piece_->storage;
}

at::Tensor KvPool::addresses() const {
  const std::lock_guard lock(one_piece_->mutex);
  return one_piece_->addresses;
}

std::array<std::int64_t, 3> KvPool::place() const {
  const std::lock_guard lock(one_piece_->mutex);
  const auto address = [](const at::Tensor& x) {
    return x.defined() ? reinterpret_cast<std::int64_t>(x.const_data_ptr()) : 0;
  };
  const at::Tensor& storage = one_piece_->storage;
  return {address(storage), address(one_piece_->addresses),
          storage.defined() ? storage.size(0) : 0};
}

void* const* KvPool::pages_of(const at::Tensor& addresses, std::int64_t layer, Plane plane) {
  const at::Tensor row = addresses.select(0, layer).select(0, static_cast<std::int64_t>(plane));
  return reinterpret_cast<void* const*>(row.const_data_ptr<std::int64_t>());
}

std::int32_t KvPool::spare_page() const {
  std::optional<std::int32_t>& spare = one_piece_->spare;  // the runtime's thread alone asks
  if (!spare) spare = take(0).number;
  return *spare;
}

}  // namespace instructblip::nn
