#include "language/packing.h"

#include <ATen/ops/cat.h>

#include <algorithm>

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

nn::Rows PackedRows::rows() const {
  nn::Rows rows = alone();
  rows.caches = caches_;
  if (tables_) rows.slots = &tables_->cache();
  return rows;
}

nn::Rows PackedRows::memory_rows() const {
  nn::Rows rows = alone();
  rows.caches = memories_;
  if (tables_) rows.slots = &tables_->memory();
  return rows;
}

nn::Rows PackedRows::alone() const {
  nn::Rows rows{parts_, kind_};
  if (prompts_) rows.sequences = &prompts_->sequences();
  return rows;
}

PackedPrompts::PackedPrompts(std::span<LanguageState* const> states, Into into)
    : PackedRows(nn::Rows::Kind::sequence), states_(states) {
  std::vector<at::Tensor> prompts;
  std::int64_t count = 0;
  for (LanguageState* state : states) {
    add(*state, state->prompt.size(1), 0);
    prompts.push_back(state->prompt[0]);
    count += prompts.back().size(0);
  }
  const std::vector<nn::KvCache*>& caches = into == Into::cache ? caches_ : memories_;
  try {
    for (std::size_t i = 0; i < prompts.size(); ++i) caches[i]->begin_sequence(prompts[i].size(0));
    if (nn::PromptTables::are_read(caches.front()->pool(), count)) {
      prompts_.emplace(nn::PromptContent{prompts, caches});
      places_.there = prompts_->positions();
    }
  } catch (...) {  // there is no destructor yet
    forget();
    throw;
  }
  embedded_ = prompts_              ? prompts_->rows()
              : prompts.size() == 1 ? prompts.front()
                                    : at::cat(prompts);
}

at::Tensor PackedPrompts::run(const std::function<at::Tensor()>& compute, bool same) const {
  if (!prompts_ || !same) return compute();
  // What a record computes lies where the next one computes.
  return caches_.front()->pool().runtime().replay(prompts_->key(), compute).clone();
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

nn::Needed PackedPrompts::needed() const {
  const nn::Runtime& runtime = caches_.front()->pool().runtime();
  // Rows of half precision are not the reference's to the bit.
  const bool all =
      runtime.numerics() == nn::Numerics::reference && runtime.row_type() == at::kFloat;
  return all ? nn::Needed::all : nn::Needed::last;
}

at::Tensor PackedPrompts::last_rows(const at::Tensor& x) const {
  return needed() == nn::Needed::all ? nn::last_rows(parts(), x) : x;
}

PackedStep::PackedStep(std::span<const LanguageStep> steps, const nn::Embedding& embedding)
    : PackedRows(nn::Rows::Kind::hypotheses), embedding_(&embedding) {
  const bool padded = embedding.runtime().replays();
  for (const LanguageStep& step : steps) {
    counts_.push_back(std::ssize(step.tokens));
    rows_ = std::max(rows_, counts_.back());
  }
  for (const LanguageStep& step : steps) {
    tokens_.insert(tokens_.end(), step.tokens.begin(), step.tokens.end());
    if (padded) {
      tokens_.resize(tokens_.size() + static_cast<std::size_t>(rows_ - std::ssize(step.tokens)));
    }
  }
  for (const LanguageStep& step : steps) {
    add(*step.state, padded ? rows_ : std::ssize(step.tokens), step.state->cache.length());
  }
  embedding.check(tokens_);
  begin(steps);
  if (!padded) return;
  try {
    make_tables();
  } catch (...) {
    take_back(steps.size());
    throw;
  }
}

// There is no destructor yet.
void PackedStep::begin(std::span<const LanguageStep> steps) {
  std::size_t begun = 0;
  try {
    for (; begun < steps.size(); ++begun) caches_[begun]->begin_step(steps[begun].sources);
  } catch (...) {
    take_back(begun);
    throw;
  }
}

void PackedStep::make_tables() {
  nn::StepContent content{.model = reinterpret_cast<std::int64_t>(embedding_),
                          .rows = rows_,
                          .caches = caches_,
                          .memories = memories_,
                          .tokens = tokens_,
                          .positions = {places_.positions.begin(), places_.positions.end()}};
  tables_.emplace(embedding_->runtime(), content);
  places_.there = tables_->positions();
}

void PackedStep::take_back(std::size_t count) noexcept {
  while (count > 0) caches_[--count]->undo();
}

PackedStep::~PackedStep() {
  if (!kept_) take_back(caches_.size());
}

at::Tensor PackedStep::embedded() const {
  return tables_ ? (*embedding_)(tables_->tokens()) : (*embedding_)(tokens_);
}

at::Tensor PackedStep::run(const std::function<at::Tensor()>& compute, bool same) const {
  if (!tables_) {
    at::Tensor rows;
    embedding_->runtime().step(std::ssize(tokens_), [&] { rows = compute(); });
    return rows;
  }
  return unpadded(same ? embedding_->runtime().replay(tables_->key(), compute) : compute());
}

std::shared_ptr<const nn::RecordedTables> PackedStep::recorded(std::int64_t max_length) const {
  if (!tables_) return nullptr;
  const auto use = embedding_->runtime().recorded_use(tables_->key());
  if (!use) return nullptr;
  return std::make_shared<const nn::RecordedTables>(nn::RecordedTables{*tables_, *use, max_length});
}

// The rows that are somebody's.
at::Tensor PackedStep::unpadded(const at::Tensor& x) const {
  const std::int64_t all = std::ssize(counts_) * rows_;
  if (std::ranges::all_of(counts_, [&](std::int64_t count) { return count == rows_; })) {
    return x.narrow(0, 0, all);
  }
  std::vector<at::Tensor> rows;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    rows.push_back(x.narrow(0, static_cast<std::int64_t>(i) * rows_, counts_[i]));
  }
  return at::cat(rows);
}

}  // namespace instructblip
