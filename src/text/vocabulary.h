// Tokens and their ids.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace instructblip {

// Lets maps keyed by strings be searched with string_views.
struct StringHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const {
    return std::hash<std::string_view>{}(text);
  }
};
template <typename Value>
using StringMap = std::unordered_map<std::string, Value, StringHash, std::equal_to<>>;

// Throws Error(bad_model), headed by `where`, for a token longer than limits::kTokenBytes.
void check_token_length(std::string_view token, const std::string& where);

class Vocabulary {
 public:
  // A token that is already there moves to the new id; the old id still reads as it.
  void set(std::string token, std::int32_t id) {
    if (static_cast<std::size_t>(id) >= tokens_.size()) {
      tokens_.resize(static_cast<std::size_t>(id) + 1);
    }
    tokens_[static_cast<std::size_t>(id)] = token;
    ids_.insert_or_assign(std::move(token), id);
  }

  std::optional<std::int32_t> find(std::string_view token) const {
    const auto found = ids_.find(token);
    return found == ids_.end() ? std::nullopt : std::optional(found->second);
  }

  // Null for an id without a token.
  const std::string* token(std::int32_t id) const {
    if (id < 0 || static_cast<std::size_t>(id) >= tokens_.size()) return nullptr;
    const auto& token = tokens_[static_cast<std::size_t>(id)];
    return token ? &*token : nullptr;
  }

  // Different tokens; one more than the largest id.
  std::int32_t count() const { return static_cast<std::int32_t>(ids_.size()); }
  std::int32_t end() const { return static_cast<std::int32_t>(tokens_.size()); }

 private:
  StringMap<std::int32_t> ids_;
  std::vector<std::optional<std::string>> tokens_;
};

}  // namespace instructblip
