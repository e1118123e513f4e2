#include "nn/prompt_tables.h"

#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <iterator>
#include <numeric>

namespace instructblip::nn {

bool PromptTables::are_read(const KvPool& pool, std::int64_t rows) {
  return pool.runtime().replays() && pool.in_one_piece() && pool.addresses().defined() &&
         rows <= kMostRows;
}

PromptTables::PromptTables(const PromptContent& content) {
  const KvPool& pool = content.caches.front()->pool();
  const Runtime& runtime = pool.runtime();
  const std::int64_t width = content.prompts.front().size(1);
  key_ = {reinterpret_cast<std::int64_t>(&pool)};
  std::ranges::copy(pool.place(), std::back_inserter(key_));
  std::vector<std::int32_t> positions, slots, offsets = {0};
  for (std::size_t i = 0; i < content.prompts.size(); ++i) {
    const std::int64_t count = content.prompts[i].size(0);
    key_.push_back(count);
    positions.resize(positions.size() + static_cast<std::size_t>(count));
    std::iota(positions.end() - count, positions.end(), 0);
    const auto newest = content.caches[i]->slots().newest;
    slots.insert(slots.end(), newest.begin(), newest.end());
    offsets.push_back(offsets.back() + static_cast<std::int32_t>(count));
  }
  // The tables, then the rows, which begin at a multiple of 16 bytes.
  std::vector<std::int32_t> tables = positions;
  tables.insert(tables.end(), slots.begin(), slots.end());
  tables.insert(tables.end(), offsets.begin(), offsets.end());
  tables.resize((tables.size() + 3) / 4 * 4);
  const std::int64_t count = offsets.back(), ints = std::ssize(tables);
  const auto bytes = static_cast<std::int64_t>(content.prompts.front().element_size());
  const std::int64_t memory = ints + (count * width * bytes + 3) / 4;
  const at::Tensor there = runtime.step_memory(key_, memory);
  there.narrow(0, 0, ints).copy_(at::from_blob(tables.data(), {ints}, host(at::kInt)));
  positions_ = there.narrow(0, 0, count);
  sequences_.slots = there.narrow(0, count, count);
  sequences_.offsets = there.narrow(0, 2 * count, std::ssize(offsets));
  rows_ = there.narrow(0, ints, memory - ints)
              .view(content.prompts.front().scalar_type())
              .narrow(0, 0, count * width)
              .view({count, width});
  for (std::size_t i = 0; i < content.prompts.size(); ++i) {
    rows_.narrow(0, offsets[i], offsets[i + 1] - offsets[i]).copy_(content.prompts[i]);
  }
}

}  // namespace instructblip::nn
