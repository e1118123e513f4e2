// Expressions in a LoRA adapter's configuration: rank_pattern, alpha_pattern, target_modules.
#pragma once

#include <bitset>
#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

namespace instructblip {

// A regular expression of Python as peft takes it: for the modules whose path, or the end of it
// behind a dot, it matches. Classes, groups, alternatives, repetitions and anchors are understood;
// what looks around, counts or refers back is not.
class ModulePattern {
 public:
  // None for what is not understood.
  static std::optional<ModulePattern> read(std::string_view key);
  // In time linear in the lengths of both.
  bool matches(std::string_view module) const { return runs(module, /*anywhere=*/true); }
  // Whether it matches the path from its beginning, and not an end of it alone.
  bool matches_whole(std::string_view module) const { return runs(module, /*anywhere=*/false); }

 private:
  friend class PatternReader;

  static constexpr std::size_t kNowhere = static_cast<std::size_t>(-1);

  // One state of an automaton: what has to be there before `next`.
  struct State {
    enum class Kind { nothing, character, begin, end };
    Kind kind = Kind::nothing;
    std::bitset<128> characters;
    std::size_t next = kNowhere;
    std::size_t other = kNowhere;  // for `nothing`: another way
  };

  // `anywhere`: behind any dot too.
  bool runs(std::string_view module, bool anywhere) const;
  // Adds `state` and what follows without a character; `at_begin`, `at_end`: where the path is.
  void enter(std::size_t state, bool at_begin, bool at_end, std::vector<bool>& in) const;

  std::vector<State> states_;
  std::size_t first_ = 0, last_ = 0;
};

}  // namespace instructblip
