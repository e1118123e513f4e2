#include "nn/kv_cache.h"

#include <numeric>
#include <utility>

#include "instructblip/error.h"

namespace instructblip::nn {
namespace {

constexpr std::int64_t kPage = KvPool::kPagePositions;

// Where the keys, and where the values of a layer begin in each page.
std::vector<float*> places(const std::vector<at::Tensor>& pages, std::int64_t layer,
                           std::int64_t which) {
  std::vector<float*> places;
  places.reserve(pages.size());
  for (const at::Tensor& page : pages) {
    places.push_back(page.data_ptr<float>() + layer * page.stride(0) + which * page.stride(1));
  }
  return places;
}

}  // namespace

at::Tensor KvPool::page() const {
  return runtime_->empty({layers_, 2, key_heads_, kPagePositions, head_width_}, at::kFloat);
}

void KvCache::clear() noexcept {
  pages_.clear();
  table_ = {};
  before_ = {};
}

void KvCache::take_slots(Table& table, std::int64_t rows) {
  table.newest.resize(static_cast<std::size_t>(rows));
  std::iota(table.newest.begin(), table.newest.end(), static_cast<std::int32_t>(table.slots));
  table.slots += rows;
  while (std::ssize(pages_) * kPage < table.slots) pages_.push_back(pool_->page());
}

void KvCache::begin_sequence(std::int64_t rows) {
  if (table_.tail_length > 0) {
    throw Error(ErrorCode::internal, "several hypotheses cannot be continued as one text");
  }
  Table next = table_;
  take_slots(next, rows);
  next.shared.insert(next.shared.end(), next.newest.begin(), next.newest.end());
  before_ = std::exchange(table_, std::move(next));
}

void KvCache::begin_step(std::span<const std::int32_t> sources) {
  if (sources.size() == 1 && table_.tail_length == 0) return begin_sequence(1);
  Table next{.shared = table_.shared, .tail_length = table_.tail_length + 1, .slots = table_.slots};
  take_slots(next, std::ssize(sources));
  next.rows.reserve(sources.size() * static_cast<std::size_t>(next.tail_length));
  for (std::size_t r = 0; r < sources.size(); ++r) {
    const auto from = table_.rows.begin() + sources[r] * table_.tail_length;
    next.rows.insert(next.rows.end(), from, from + table_.tail_length);
    next.rows.push_back(next.newest[r]);
  }
  before_ = std::exchange(table_, std::move(next));
}

void KvCache::undo() noexcept {
  table_ = std::move(before_);
  before_ = {};
}

void KvCache::append(std::int64_t layer, const at::Tensor& keys, const at::Tensor& values) {
  const Runtime& runtime = pool_->runtime();
  const kernels::KvAppendProblem problem{.positions = std::ssize(table_.newest),
                                         .key_heads = pool_->key_heads(),
                                         .width = pool_->head_width(),
                                         .page_positions = kPage};
  const KvView to = view(layer);
  const at::Tensor k = keys.contiguous(), v = values.contiguous();
  runtime.kernel(runtime.tables().kv_append, problem)
      .run(problem,
           {k.const_data_ptr<float>(), v.const_data_ptr<float>(), to.newest.data(), to.keys.data(),
            to.values.data()},
           runtime.queue());
}

KvView KvCache::view(std::int64_t layer) const {
  return {.keys = places(pages_, layer, 0),
          .values = places(pages_, layer, 1),
          .key_heads = pool_->key_heads(),
          .shared = table_.shared,
          .tail = table_.rows,
          .tail_length = table_.tail_length,
          .newest = table_.newest};
}

}  // namespace instructblip::nn
