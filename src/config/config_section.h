// One object of config.json, read with the reference's defaults and our ranges.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "config/model_config.h"
#include "core/json.h"

namespace instructblip {

// An object all of whose keys may be missing, and which may be missing itself: writers leave out
// what equals a default, null means the same. A value of the wrong type or range is
// Error(bad_model), naming the JSON path.
class ConfigSection {
 public:
  explicit ConfigSection(const Json& root) : json_(root), where_(root.where() + ": ") {}
  ConfigSection(const Json& root, std::string_view key)
      : json_(root.find(key)), where_(root.where(key) + ".") {}

  std::optional<Json> find(std::string_view key) const;
  // The key is there and its value is null.
  bool is_null(std::string_view key) const;

  std::int64_t size(std::string_view key, std::int64_t fallback) const;
  std::int64_t layers(std::string_view key, std::int64_t fallback) const;
  std::int64_t heads(std::string_view key, std::int64_t fallback) const;
  // As heads(), and a divisor of `width`.
  std::int64_t heads_of(std::string_view key, std::int64_t fallback, std::int64_t width) const;
  double positive(std::string_view key, double fallback) const;
  bool flag(std::string_view key, bool fallback) const;
  std::string text(std::string_view key, std::string fallback) const;
  Activation activation(std::string_view key, std::string fallback) const;
  // As activation(), for a name that has been taken out of the value of `key`.
  Activation activation_named(std::string_view key, const std::string& name) const;

  // For messages: "config.json: text_config", and of a member "config.json: text_config.top_k".
  std::string where() const;
  std::string where(std::string_view key) const { return where_ + std::string(key); }
  // Throws Error(bad_model): for rules between keys, where there may be no value to point at.
  [[noreturn]] void fail(std::string_view key, const std::string& expected,
                         const std::string& got) const;
  [[noreturn]] void unsupported(std::string_view key, const std::string& what) const;

 private:
  std::int64_t integer(std::string_view key, std::int64_t fallback, std::int64_t high) const;

  std::optional<Json> json_;
  std::string where_;  // "config.json: vision_config."
};

}  // namespace instructblip
