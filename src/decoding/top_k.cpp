#include "decoding/top_k.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace instructblip {
namespace {

bool larger(const Ranked& a, const Ranked& b) { return a.value > b.value; }

// Replaces the root of a heap whose root is the smallest value: the hole sinks to a leaf along the
// smaller children, then `item` rises from there. This order of moves decides which equal values
// stay.
void replace_root(std::vector<Ranked>& heap, const Ranked& item) {
  const std::size_t size = heap.size();
  std::size_t hole = 0;
  std::size_t child = 0;
  while (child < (size - 1) / 2) {
    child = 2 * (child + 1);
    if (larger(heap[child], heap[child - 1])) --child;
    heap[hole] = heap[child];
    hole = child;
  }
  if (size % 2 == 0 && child == (size - 2) / 2) {  // a last child without a sibling
    child = 2 * child + 1;
    heap[hole] = heap[child];
    hole = child;
  }
  while (hole > 0) {
    const std::size_t parent = (hole - 1) / 2;
    if (!larger(heap[parent], item)) break;
    heap[hole] = heap[parent];
    hole = parent;
  }
  heap[hole] = item;
}

// std::partial_sort over (value, index) pairs, without writing down a pair for every value.
std::vector<Ranked> select_by_heap(std::span<const float> values, std::size_t count) {
  std::vector<Ranked> heap(count);
  for (std::size_t i = 0; i < count; ++i) heap[i] = {values[i], static_cast<std::int64_t>(i)};
  std::make_heap(heap.begin(), heap.end(), larger);
  for (std::size_t i = count; i < values.size(); ++i) {
    if (values[i] > heap.front().value) {
      replace_root(heap, {values[i], static_cast<std::int64_t>(i)});
    }
  }
  std::sort_heap(heap.begin(), heap.end(), larger);
  return heap;
}

std::vector<Ranked> select_by_partition(std::span<const float> values, std::size_t count) {
  std::vector<Ranked> pairs(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    pairs[i] = {values[i], static_cast<std::int64_t>(i)};
  }
  const auto last = pairs.begin() + static_cast<std::ptrdiff_t>(count) - 1;
  std::nth_element(pairs.begin(), last, pairs.end(), larger);
  std::sort(pairs.begin(), last, larger);
  pairs.resize(count);
  return pairs;
}

// Without a branch for each value.
bool any_above(std::span<const float> values, float least) {
  std::uint32_t any = 0;
  for (const float value : values) any |= static_cast<std::uint32_t>(value > least);
  return any != 0;
}

}  // namespace

std::vector<Ranked> top_k(std::span<const float> values, std::size_t count) {
  if (count == 0) return {};
  constexpr std::size_t kHeapFactor = 64;
  return count * kHeapFactor <= values.size() ? select_by_heap(values, count)
                                              : select_by_partition(values, count);
}

std::vector<Ranked> best_of(std::span<const float> values, std::size_t count,
                            std::span<const std::int32_t> passed_over) {
  count = std::min(count, values.size() - passed_over.size());
  if (count == 0) return {};
  // A total order, so that the way of the selection does not matter.
  const auto before = [](const Ranked& a, const Ranked& b) {
    return a.value > b.value || (a.value == b.value && a.index < b.index);
  };
  const auto wanted = [&](std::size_t i) {
    return !std::ranges::binary_search(passed_over, static_cast<std::int32_t>(i));
  };
  std::vector<Ranked> heap;  // its root is the last of the best so far
  heap.reserve(count + 1);
  // Few blocks hold one that is better, which shows many values at a time.
  constexpr std::size_t kBlock = 64;
  for (std::size_t begin = 0; begin < values.size(); begin += kBlock) {
    const auto block = values.subspan(begin, std::min(kBlock, values.size() - begin));
    if (heap.size() == count && !any_above(block, heap.front().value)) continue;
    for (std::size_t i = begin; i < begin + block.size(); ++i) {
      if (heap.size() == count && !(values[i] > heap.front().value)) continue;
      if (!wanted(i)) continue;
      heap.push_back({values[i], static_cast<std::int64_t>(i)});
      std::push_heap(heap.begin(), heap.end(), before);
      if (heap.size() <= count) continue;
      std::pop_heap(heap.begin(), heap.end(), before);
      heap.pop_back();
    }
  }
  std::sort_heap(heap.begin(), heap.end(), before);
  return heap;
}

float max_value(std::span<const float> values) {
  // Several maxima at a time, which one chain of comparisons does not allow.
  constexpr std::size_t kLanes = 16;
  std::array<float, kLanes> lanes;
  lanes.fill(values[0]);
  std::size_t i = 0;
  for (; i + kLanes <= values.size(); i += kLanes) {
    for (std::size_t k = 0; k < kLanes; ++k) {
      lanes[k] = values[i + k] > lanes[k] ? values[i + k] : lanes[k];
    }
  }
  for (; i < values.size(); ++i) lanes[0] = std::max(lanes[0], values[i]);
  return *std::max_element(lanes.begin(), lanes.end());
}

std::size_t arg_max(std::span<const float> values) {
  return static_cast<std::size_t>(std::find(values.begin(), values.end(), max_value(values)) -
                                  values.begin());
}

}  // namespace instructblip
