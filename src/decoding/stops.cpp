#include "decoding/stops.h"

#include <algorithm>
#include <utility>

namespace instructblip {

std::optional<std::size_t> find_stop(std::string_view text, std::span<const std::string> stops) {
  std::size_t first = std::string_view::npos;
  for (const std::string& stop : stops) first = std::min(first, text.find(stop));
  if (first == std::string_view::npos) return std::nullopt;
  return first;
}

TextStopMatcher::TextStopMatcher(std::vector<std::string> stops, Detokenize detokenize)
    : stops_(std::move(stops)), detokenize_(std::move(detokenize)) {}

bool TextStopMatcher::completes_stop(std::span<const std::int32_t> new_tokens) const {
  if (stops_.empty() || new_tokens.empty()) return false;
  const std::string text = detokenize_(new_tokens);
  if (!find_stop(text, stops_)) return false;
  // The last token may also have changed what was before it: bytes that now form a character.
  const std::string before = detokenize_(new_tokens.first(new_tokens.size() - 1));
  const auto common = static_cast<std::size_t>(
      std::mismatch(before.begin(), before.end(), text.begin(), text.end()).first - before.begin());
  return std::any_of(stops_.begin(), stops_.end(), [&](const std::string& stop) {
    const std::size_t from = common + 1 > stop.size() ? common + 1 - stop.size() : 0;
    return text.find(stop, from) != std::string::npos;
  });
}

}  // namespace instructblip
