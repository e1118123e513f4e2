// Expressions in a LoRA adapter's configuration: rank_pattern, alpha_pattern, target_modules.
#pragma once

#include <memory>
#include <optional>
#include <string_view>

namespace re2 {
class RE2;
}

namespace instructblip {

// A regular expression of Python as peft takes it: for the modules whose path, or the end of it
// behind a dot, it matches. RE2 runs it, which takes time linear in the path whatever the
// expression is; what looks around or refers back is not understood.
class ModulePattern {
 public:
  // nullopt for what is not understood, or means something else to Python than to RE2.
  static std::optional<ModulePattern> read(std::string_view key);
  bool matches(std::string_view module) const;
  // Whether it matches the path from its beginning, and not an end of it alone.
  bool matches_whole(std::string_view module) const;

 private:
  std::shared_ptr<const re2::RE2> whole_, end_;
};

}  // namespace instructblip
