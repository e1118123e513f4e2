#include "language/packing.h"

#include <ATen/ops/cat.h>

namespace instructblip {

void PackedRows::add(LanguageState& state, std::int64_t count, std::int64_t position) {
  const std::int64_t first = parts_.empty() ? 0 : parts_.back().first + parts_.back().count;
  const bool follow = kind_ == nn::Rows::Kind::sequence;
  const std::int64_t length = position + (follow ? count : 1);
  parts_.push_back({first, count});
  caches_.push_back(&state.cache);
  memories_.push_back(&state.memory);
  lengths_.push_back(length);
  for (std::int64_t i = 0; i < count; ++i) {
    places_.positions.push_back(position + (follow ? i : 0));
    places_.lengths.push_back(length);
  }
}

PackedPrompts::PackedPrompts(std::span<LanguageState* const> states, Into into)
    : PackedRows(nn::Rows::Kind::sequence), states_(states) {
  std::vector<at::Tensor> prompts;
  for (LanguageState* state : states) {
    add(*state, state->prompt.size(1), 0);
    prompts.push_back(state->prompt[0]);
  }
  embedded_ = prompts.size() == 1 ? prompts.front() : at::cat(prompts);
  try {
    for (LanguageState* state : states) {
      (into == Into::cache ? state->cache : state->memory).begin_sequence(state->prompt.size(1));
    }
  } catch (...) {  // there is no destructor yet
    forget();
    throw;
  }
}

PackedPrompts::~PackedPrompts() {
  if (!kept_) forget();
}

void PackedPrompts::forget() noexcept {
  for (LanguageState* state : states_) {
    state->cache.clear();
    state->memory.clear();
  }
}

void PackedPrompts::keep() {
  for (LanguageState* state : states_) state->prompt = at::Tensor();
  kept_ = true;
}

at::Tensor PackedPrompts::last_rows(const at::Tensor& x) const {
  return nn::by_part(parts(), 0, [&](const nn::Part& part, std::size_t) {
    return x.narrow(0, part.first + part.count - 1, 1);
  });
}

PackedStep::PackedStep(std::span<const LanguageStep> steps)
    : PackedRows(nn::Rows::Kind::hypotheses) {
  for (const LanguageStep& step : steps) {
    tokens_.insert(tokens_.end(), step.tokens.begin(), step.tokens.end());
  }
  for (const LanguageStep& step : steps) {
    add(*step.state, std::ssize(step.tokens), step.state->cache.length());
  }
  std::size_t begun = 0;
  try {
    for (; begun < steps.size(); ++begun) caches_[begun]->begin_step(steps[begun].sources);
  } catch (...) {  // there is no destructor yet
    while (begun > 0) caches_[--begun]->undo();
    throw;
  }
}

PackedStep::~PackedStep() {
  if (kept_) return;
  for (nn::KvCache* cache : caches_) cache->undo();
}

}  // namespace instructblip
