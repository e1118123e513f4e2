// A set of strings that finds its members at the start of a text.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace instructblip {

// A prefix tree over bytes or code points, each below 2^32.
template <typename Unit>
class Trie {
 public:
  // An earlier value of the same key stays where `replace` is false.
  void insert(std::basic_string_view<Unit> key, std::int32_t value, bool replace) {
    std::uint32_t node = 0;
    for (const Unit unit : key) {
      const auto [edge, is_new] =
          edges_.try_emplace(edge_key(node, unit), static_cast<std::uint32_t>(values_.size()));
      if (is_new) values_.push_back(kNone);
      node = edge->second;
    }
    if (replace || values_[node] == kNone) values_[node] = value;
  }

  // Calls visit(length, value) for every key that `text` starts with, shortest first; not for the
  // empty key.
  template <typename Visit>
  void prefixes(std::basic_string_view<Unit> text, const Visit& visit) const {
    std::uint32_t node = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
      const auto edge = edges_.find(edge_key(node, text[i]));
      if (edge == edges_.end()) return;
      node = edge->second;
      if (values_[node] != kNone) visit(i + 1, values_[node]);
    }
  }

 private:
  static constexpr std::int32_t kNone = -1;
  static std::uint64_t edge_key(std::uint32_t node, Unit unit) {
    return std::uint64_t{node} << 32 | static_cast<std::uint32_t>(unit);
  }

  std::unordered_map<std::uint64_t, std::uint32_t> edges_;
  std::vector<std::int32_t> values_ = {kNone};
};

}  // namespace instructblip
