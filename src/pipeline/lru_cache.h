// A map of bounded size that evicts the least recently used entry.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <unordered_map>
#include <utility>

#include "instructblip/pipeline.h"

namespace instructblip {

// Holds at most `capacity` bytes, as counted by who inserts. Not shared between threads.
template <typename Key, typename Value, typename Hash>
class LruCache {
 public:
  explicit LruCache(std::int64_t capacity) { usage_.capacity = capacity; }

  // Counted as a hit or a miss.
  std::optional<Value> find(const Key& key) {
    const auto found = index_.find(key);
    if (found == index_.end()) {
      ++usage_.misses;
      return std::nullopt;
    }
    ++usage_.hits;
    entries_.splice(entries_.begin(), entries_, found->second);
    return found->second->value;
  }

  // What is larger than the whole cache is not kept.
  bool takes(std::int64_t bytes) const { return bytes <= usage_.capacity; }

  // Neither is a second value for a key.
  void insert(Key key, Value value, std::int64_t bytes) {
    if (!takes(bytes) || index_.contains(key)) return;
    while (usage_.bytes + bytes > usage_.capacity) drop_last();
    entries_.push_front({key, std::move(value), bytes});
    try {
      index_.emplace(std::move(key), entries_.begin());
    } catch (...) {
      entries_.pop_front();
      throw;
    }
    usage_.bytes += bytes;
    usage_.entries = static_cast<std::int64_t>(entries_.size());
  }

  const CacheUsage& usage() const { return usage_; }

 private:
  struct Entry {
    Key key;
    Value value;
    std::int64_t bytes;
  };

  void drop_last() {
    usage_.bytes -= entries_.back().bytes;
    index_.erase(entries_.back().key);
    entries_.pop_back();
    usage_.entries = static_cast<std::int64_t>(entries_.size());
  }

  std::list<Entry> entries_;  // most recently used first
  std::unordered_map<Key, typename std::list<Entry>::iterator, Hash> index_;
  CacheUsage usage_;
};

}  // namespace instructblip
