// A text on its way to the model, and where each of its characters came from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "text/pattern.h"

namespace instructblip {

// One character of a rewritten text. `change` is 0 where it replaces a character, positive where it
// is new, -n where the n characters behind the replaced one vanish with it.
struct Rewrite {
  char32_t code;
  int change;
};

// Follows the reference's bookkeeping, slips included, since "first word of the text" is decided by
// it.
class NormalizedText {
 public:
  // `origin`: where the text starts in the instruction, in code points.
  NormalizedText(std::u32string_view codes, std::size_t origin);

  const std::u32string& codes() const { return codes_; }
  bool empty() const { return codes_.empty(); }
  // Refuses a text of so many characters, which rules may have grown to. Throws Error(bad_model).
  static void check_length(std::size_t codes);
  // Whether it starts where the instruction does.
  bool at_start() const { return origin_ == 0; }
  NormalizedText slice(std::size_t first, std::size_t last) const;

  // The whole text becomes `rewrites`; its first `removed` characters vanish.
  void transform(const std::vector<Rewrite>& rewrites, std::size_t removed = 0);
  void prepend(std::u32string_view text);
  void replace(const Pattern& pattern, std::u32string_view content);
  void keep_if(const std::function<bool(char32_t)>& keep);
  void strip(bool left, bool right);

 private:
  std::u32string codes_;
  std::vector<std::uint32_t> origins_;  // place of each code in the instruction
  std::size_t origin_;
};

}  // namespace instructblip
