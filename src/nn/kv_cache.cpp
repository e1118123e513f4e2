#include "nn/kv_cache.h"

#include <ATen/ops/floor_divide.h>
#include <ATen/ops/remainder.h>

#include "instructblip/error.h"
#include "nn/gradients.h"
#include "nn/paged.h"

namespace instructblip::nn {
namespace {

constexpr std::int64_t kPage = KvPool::kPagePositions;

SlotTable table_of(const KvPool& pool, std::span<const std::int32_t> slots) {
  SlotTable table{pool.runtime().ids(slots)};
  if (!pool.in_one_piece()) return table;
  table.page = table.slots.floor_divide(kPage).to(at::kLong);
  table.place = table.slots.remainder(kPage).to(at::kLong);
  return table;
}

}  // namespace

std::vector<float*> KvView::places(std::int64_t which) const {
  std::vector<float*> places;
  places.reserve(pages.size());
  for (const KvPage& page : pages) {
    const at::Tensor& values = page.values;
    places.push_back(values.data_ptr<float>() + layer * values.stride(0) +
                     which * values.stride(1));
  }
  return places;
}

void KvCache::clear() noexcept {
  pool_->give_back(pages_);
  pages_.clear();
  table_ = {};
  before_ = {};
  kept_.clear();
}

void KvCache::take_slots(Table& table, std::int64_t rows) {
  table.newest.clear();
  for (std::int64_t i = 0; i < rows; ++i, ++table.slots) {
    const auto page = static_cast<std::size_t>(table.slots / kPage);
    if (page == pages_.size()) pages_.push_back(pool_->take(page));
    table.newest.push_back(
        static_cast<std::int32_t>(pages_[page].number * kPage + table.slots % kPage));
  }
}

void KvCache::begin_sequence(std::int64_t rows) {
  if (table_.tail_length > 0) {
    throw Error(ErrorCode::internal, "several hypotheses cannot be continued as one text");
  }
  Table next{.shared = table_.shared, .slots = table_.slots};
  take_slots(next, rows);
  next.shared.insert(next.shared.end(), next.newest.begin(), next.newest.end());
  begin(std::move(next));
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
  begin(std::move(next));
}

std::vector<std::int32_t> KvCache::coming_slots(std::int64_t rows) {
  Table coming{.slots = table_.slots};
  take_slots(coming, rows);
  return std::move(coming.newest);
}

void KvCache::undo() noexcept {
  table_ = std::move(before_);
  before_ = {};
}

void KvCache::keep(std::size_t number) {
  kept_.erase(kept_.lower_bound(number), kept_.end());
  kept_.emplace(number, table_);
}

void KvCache::go_back(std::size_t number) {
  table_ = kept_.at(number);
  kept_.erase(kept_.upper_bound(number), kept_.end());
}

void KvCache::append(std::int64_t layer, const at::Tensor& keys, const at::Tensor& values) {
  if (is_watched()) return watch(*this, layer, keys, values);
  append_to_pages(keys, values, view(layer));
}

KvView KvCache::view(std::int64_t layer) const {
  if (!table_.newest_there.slots.defined()) {
    table_.shared_there = table_of(*pool_, table_.shared);
    table_.rows_there = table_of(*pool_, table_.rows);
    table_.newest_there = table_of(*pool_, table_.newest);
  }
  return {.pool = pool_,
          .pages = pages_,
          .layer = layer,
          .shared = table_.shared_there,
          .tail = table_.rows_there,
          .newest = table_.newest_there};
}

}  // namespace instructblip::nn
