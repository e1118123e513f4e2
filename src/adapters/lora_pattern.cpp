#include "adapters/lora_pattern.h"

#include <re2/re2.h>

#include <algorithm>
#include <string>

#include "core/limits.h"

namespace instructblip {
namespace {

constexpr std::string_view kRepetitions = "*+?{";
// Escapes that are RE2's own: Python has none of these names.
constexpr std::string_view kForeignEscapes = "CEPQpz";

// Whether Python means the same by `key`, or refuses it as RE2 does. Paths of modules are ASCII,
// and so must it be.
bool means_the_same(std::string_view key) {
  const auto next = [&](std::size_t i) { return i + 1 < key.size() ? key[i + 1] : '\0'; };
  bool in_class = false;
  int groups = 0;  // inside one another
  for (std::size_t i = 0; i < key.size(); ++i) {
    const char c = key[i];
    if (c < ' ' || c > '~') return false;
    if (c == '\\') {
      ++i;
      if (i < key.size() && kForeignEscapes.find(key[i]) != std::string_view::npos) return false;
    } else if (in_class) {
      if (c == '[') return false;  // a class of POSIX within a class
      in_class = c != ']';
    } else if (c == '[') {
      in_class = true;
      if (next(i) == '^') ++i;
      if (next(i) == ']') ++i;  // a member, where it comes first
    } else if (c == '(') {
      if (++groups > limits::kPatternDepth) return false;
      if (next(i) == '?' && key.substr(i, 3) != "(?:") return false;  // flags and names
    } else if (c == ')') {
      --groups;
    } else {
      const bool from_none = c == '{' && next(i) == ',';  // to Python; five characters to RE2
      const bool repeated_end =                           // refused by Python alone
          (c == '^' || c == '$') && kRepetitions.find(next(i)) != std::string_view::npos;
      if (from_none || repeated_end) return false;
    }
  }
  return true;
}

std::shared_ptr<const re2::RE2> compiled(const std::string& expression) {
  re2::RE2::Options options;
  options.set_log_errors(false);
  auto compiled = std::make_shared<const re2::RE2>(expression, options);
  return compiled->ok() ? compiled : nullptr;
}

}  // namespace

std::optional<ModulePattern> ModulePattern::read(std::string_view key) {
  if (key.empty() || key.size() > static_cast<std::size_t>(limits::kPatternBytes) ||
      !means_the_same(key)) {
    return std::nullopt;
  }
  ModulePattern pattern;
  pattern.whole_ = compiled(std::string(key));
  if (pattern.whole_ == nullptr) return std::nullopt;
  // peft/utils/other.py, get_pattern_key().
  pattern.end_ = compiled("(?:.*\\.)?(?:" + std::string(key) + ")$");
  if (pattern.end_ == nullptr) return std::nullopt;
  return pattern;
}

bool ModulePattern::matches(std::string_view module) const {
  return re2::RE2::FullMatch({module.data(), module.size()}, *end_);
}

bool ModulePattern::matches_whole(std::string_view module) const {
  return re2::RE2::FullMatch({module.data(), module.size()}, *whole_);
}

}  // namespace instructblip
