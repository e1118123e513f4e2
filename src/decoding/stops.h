// Stop strings: text that ends an answer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace instructblip {

// The offset at which the first of `stops` begins in `text`, where the answer is cut.
std::optional<std::size_t> find_stop(std::string_view text, std::span<const std::string> stops);

// Tells whether the last of some new tokens completes a stop string.
class StopMatcher {
 public:
  virtual ~StopMatcher() = default;
  virtual bool completes_stop(std::span<const std::int32_t> new_tokens) const = 0;
};

// Looks at the text of the tokens. As in the reference, a stop string counts if it ends in the last
// token, wherever it begins and whatever that token adds behind it; one that was complete before
// does not count again.
class TextStopMatcher : public StopMatcher {
 public:
  // The text of new tokens, special ones left out, not stripped.
  using Detokenize = std::function<std::string(std::span<const std::int32_t> tokens)>;

  TextStopMatcher(std::vector<std::string> stops, Detokenize detokenize);

  bool completes_stop(std::span<const std::int32_t> new_tokens) const override;

 private:
  std::vector<std::string> stops_;
  Detokenize detokenize_;
};

}  // namespace instructblip
