#include "nn/step_tables.h"

#include <algorithm>
#include <bit>
#include <iterator>

namespace instructblip::nn {
namespace {

constexpr std::int64_t kPage = KvPool::kPagePositions;

// 0, 64, 128, 192, 256, 384, 512, 768, 1024, ...: at most a third more than there is, beyond 256.
std::int64_t padded_positions(std::int64_t count) {
  if (count <= 256) return (count + 63) / 64 * 64;
  const auto power = static_cast<std::int64_t>(std::bit_ceil(static_cast<std::uint64_t>(count)));
  return count <= power / 4 * 3 ? power / 4 * 3 : power;
}

// 0, 16, 32, 64, ...
std::int64_t padded_tail(std::int64_t count) {
  if (count == 0) return 0;
  return std::max<std::int64_t>(
      16, static_cast<std::int64_t>(std::bit_ceil(static_cast<std::uint64_t>(count))));
}

// Sizes of the tables of one kind of cache.
struct Sizes {
  std::int64_t requests, rows, shared = 0, tail = 0;

  Sizes(std::int64_t padded, std::int64_t rows_of_each, std::span<KvCache* const> caches)
      : requests(padded), rows(rows_of_each) {
    for (const KvCache* cache : caches) {
      shared = std::max(shared, std::ssize(cache->slots().shared));
      tail = std::max(tail, cache->slots().tail);
    }
    shared = padded_positions(shared);
    tail = padded_tail(tail);
  }
};

// Appends tables to what goes up, and remembers where they are.
class Writer {
 public:
  explicit Writer(const KvPool& pool)
      : spare_(pool.spare_page() * static_cast<std::int32_t>(kPage)) {}

  std::vector<std::int32_t> values;

  std::size_t add(std::span<const std::int32_t> numbers, std::int64_t padded_to,
                  std::int32_t padding) {
    const std::size_t at = values.size();
    values.insert(values.end(), numbers.begin(), numbers.end());
    values.resize(at + static_cast<std::size_t>(padded_to), padding);
    return at;
  }

  struct Places {
    std::size_t lengths, shared, tails, newest, counters;
  };
  Places add(std::span<KvCache* const> caches, const Sizes& sizes, std::int64_t key_heads) {
    Places places{};
    places.lengths = values.size();
    for (std::int64_t s = 0; s < sizes.requests; ++s) {
      const bool real = s < std::ssize(caches);
      const auto slots = real ? caches[static_cast<std::size_t>(s)]->slots() : KvCache::Slots{};
      const std::int32_t lengths[] = {real ? static_cast<std::int32_t>(slots.shared.size()) : 1,
                                      static_cast<std::int32_t>(slots.tail)};
      add(lengths, 2, 0);
    }
    places.shared = values.size();
    for (std::int64_t s = 0; s < sizes.requests; ++s) {
      const bool real = s < std::ssize(caches);
      add(real ? caches[static_cast<std::size_t>(s)]->slots().shared
               : std::span<const std::int32_t>(),
          sizes.shared, spare_);
    }
    places.tails = values.size();
    for (std::int64_t s = 0; s < sizes.requests; ++s) add_tails(caches, s, sizes);
    places.newest = values.size();
    for (std::int64_t s = 0; s < sizes.requests; ++s) add_newest(caches, s, sizes);
    places.counters = add({}, sizes.requests * key_heads, 0);
    return places;
  }

 private:
  void add_tails(std::span<KvCache* const> caches, std::int64_t request, const Sizes& sizes) {
    const bool real = request < std::ssize(caches);
    const auto slots = real ? caches[static_cast<std::size_t>(request)]->slots() : KvCache::Slots{};
    for (std::int64_t row = 0; row < sizes.rows; ++row) {
      const bool own = (row + 1) * slots.tail <= std::ssize(slots.tails);
      const auto first = static_cast<std::size_t>(own ? row * slots.tail : 0);
      add(slots.tails.subspan(first, static_cast<std::size_t>(slots.tail)), sizes.tail, spare_);
    }
  }
  void add_newest(std::span<KvCache* const> caches, std::int64_t request, const Sizes& sizes) {
    const bool real = request < std::ssize(caches);
    const auto slots = real ? caches[static_cast<std::size_t>(request)]->slots() : KvCache::Slots{};
    for (std::int64_t row = 0; row < sizes.rows; ++row) {
      const bool own = row < std::ssize(slots.newest);
      values.push_back(own ? slots.newest[static_cast<std::size_t>(row)]
                           : spare_ + static_cast<std::int32_t>(row % kPage));
    }
  }

  std::int32_t spare_;
};

StepSlots slots_in(const at::Tensor& memory, const KvPool& pool, const Sizes& sizes,
                   const Writer::Places& places) {
  const auto table = [&](std::size_t at, std::int64_t rows, std::int64_t columns) {
    return memory.narrow(0, static_cast<std::int64_t>(at), rows * columns).view({rows, columns});
  };
  const std::int64_t rows = sizes.requests * sizes.rows;
  return {.pool = &pool,
          .requests = sizes.requests,
          .rows = sizes.rows,
          .lengths = table(places.lengths, sizes.requests, 2),
          .shared = table(places.shared, sizes.requests, sizes.shared),
          .tails = table(places.tails, rows, sizes.tail),
          .newest = table(places.newest, rows, 1).view({rows}),
          .counters = table(places.counters, sizes.requests, pool.key_heads()).view({-1})};
}

}  // namespace

std::int64_t StepTables::padded_requests(std::int64_t requests) {
  return static_cast<std::int64_t>(std::bit_ceil(static_cast<std::uint64_t>(requests)));
}

bool StepTables::reads_pages_of_today() const {
  const auto now = cache_.pool->place();
  return std::ranges::equal(std::span(key_).last(std::size(now)), now);
}

StepTables::StepTables(const Runtime& runtime, const StepContent& content) {
  const KvPool& pool = content.caches.front()->pool();
  const std::int64_t requests = padded_requests(std::ssize(content.caches));
  const Sizes cache(requests, content.rows, content.caches);
  const Sizes memory(requests, content.rows, content.memories);
  Writer writer(pool);
  const std::int64_t rows = requests * content.rows;
  const auto tokens = static_cast<std::int64_t>(writer.add(content.tokens, rows, 0));
  const auto positions = static_cast<std::int64_t>(writer.add(content.positions, rows, 0));
  const Writer::Places of_cache = writer.add(content.caches, cache, pool.key_heads());
  const bool remembers = memory.shared > 0;
  const Writer::Places of_memory =
      remembers ? writer.add(content.memories, memory, pool.key_heads()) : Writer::Places{};

  key_ = {content.model, requests, content.rows, cache.shared, cache.tail, memory.shared};
  std::ranges::copy(pool.place(), std::back_inserter(key_));
  const at::Tensor there = runtime.step_memory(key_, std::ssize(writer.values));
  const at::Tensor here = runtime.host_memory({std::ssize(writer.values)}, at::kInt);
  std::ranges::copy(writer.values, here.mutable_data_ptr<std::int32_t>());
  there.copy_(here, /*non_blocking=*/true);
  tokens_ = there.narrow(0, tokens, rows);
  positions_ = there.narrow(0, positions, rows);
  cache_ = slots_in(there, pool, cache, of_cache);
  if (!remembers) return;
  memory_ = slots_in(there, pool, memory, of_memory);
  memory_.newest = at::Tensor();
}

}  // namespace instructblip::nn
