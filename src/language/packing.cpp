#include "language/packing.h"

#include <ATen/ops/cat.h>

#include <utility>

namespace instructblip {

PackedPrompts::PackedPrompts(std::span<LanguageState* const> states) {
  std::vector<at::Tensor> rows;
  std::int64_t first = 0;
  for (LanguageState* state : states) {
    parts_.push_back({{first, state->prompt.size(1)}, state});
    first += state->prompt.size(1);
    rows.push_back(state->prompt);
  }
  rows_ = rows.size() == 1 ? rows.front() : at::cat(rows, 1);
}

PackedPrompts::~PackedPrompts() {
  if (kept_) return;
  for (const PromptPart& part : parts_) {
    part.state->cache.clear();
    part.state->memories.clear();
  }
}

void PackedPrompts::keep() {
  for (const PromptPart& part : parts_) part.state->prompt = at::Tensor();
  kept_ = true;
}

std::vector<std::int64_t> PackedPrompts::positions() const {
  std::vector<std::int64_t> positions;
  for (const PromptPart& part : parts_) {
    for (std::int64_t i = 0; i < part.count; ++i) positions.push_back(i);
  }
  return positions;
}

std::vector<std::int64_t> PackedPrompts::lengths() const {
  std::vector<std::int64_t> lengths;
  for (const PromptPart& part : parts_) {
    lengths.insert(lengths.end(), static_cast<std::size_t>(part.count), part.count);
  }
  return lengths;
}

at::Tensor PackedPrompts::last_rows(const at::Tensor& x) const {
  return nn::by_part(parts(), 0, [&](const PromptPart& part, std::size_t) {
    return x[0].narrow(0, part.first + part.count - 1, 1);
  });
}

PackedStep::PackedStep(std::span<const LanguageStep> steps) {
  parts_.reserve(steps.size());
  for (const LanguageStep& step : steps) {
    tokens_.insert(tokens_.end(), step.tokens.begin(), step.tokens.end());
  }
  std::int64_t first = 0;
  try {
    for (const LanguageStep& step : steps) {
      step.state->cache.begin_step(step.sources);
      const auto rows = static_cast<std::int64_t>(step.tokens.size());
      parts_.push_back({{first, rows}, step.state});
      first += rows;
    }
  } catch (...) {  // there is no destructor yet
    for (const PromptPart& part : parts_) part.state->cache.undo_step();
    throw;
  }
}

PackedStep::~PackedStep() {
  if (kept_) return;
  for (const PromptPart& part : parts_) part.state->cache.undo_step();
}

std::vector<std::int64_t> PackedStep::positions() const {
  std::vector<std::int64_t> positions;
  for (const PromptPart& part : parts_) {
    positions.insert(positions.end(), static_cast<std::size_t>(part.count),
                     part.state->cache.length() - 1);
  }
  return positions;
}

std::vector<std::int64_t> PackedStep::lengths() const {
  std::vector<std::int64_t> lengths = positions();
  for (std::int64_t& length : lengths) ++length;
  return lengths;
}

}  // namespace instructblip
