#include "pipeline/pass_ahead.h"

#include <ATen/ops/cat.h>

#include <algorithm>
#include <bit>
#include <utility>

#include "pipeline/pass_logits.h"

namespace instructblip {
namespace {

// The slots that the rows of all jobs take in the next step, or in the one behind it.
std::vector<std::int32_t> coming_slots(const std::vector<Job*>& jobs, std::int64_t rows,
                                       std::int64_t steps_ahead) {
  std::vector<std::int32_t> slots;
  for (Job* job : jobs) {
    const auto coming = job->state->cache.coming_slots(rows * (steps_ahead + 1));
    slots.insert(slots.end(), coming.end() - static_cast<std::ptrdiff_t>(rows), coming.end());
  }
  return slots;
}

// Whether each row of the step names these tokens, in this order.
bool names_in_all_rows(const Step& step, std::span<const std::int32_t> tokens) {
  for (std::size_t row = 0; row < step.rows(); ++row) {
    if (!std::ranges::equal(step.named_in(row), tokens)) return false;
  }
  return true;
}

at::Tensor uploaded_sums(const nn::Runtime& runtime, const std::vector<Job*>& jobs) {
  std::vector<std::int32_t> words;
  for (const Job* job : jobs) {
    for (const float sum : job->step().next->scores) {
      words.push_back(std::bit_cast<std::int32_t>(sum));
    }
  }
  return words.empty() ? at::Tensor() : runtime.ids(words).view(at::kFloat);
}

}  // namespace

std::optional<PassAhead::Asked> PassAhead::asked_by(const Jobs& jobs) {
  const auto rule_of = [&](const Step& step) {
    return nn::NextRowsRule{.requests = std::ssize(jobs),
                            .rows = static_cast<std::int64_t>(step.rows()),
                            .top = static_cast<std::int64_t>(step.top),
                            .candidates = static_cast<std::int64_t>(step.next->candidates),
                            .stop_ids = {step.next->stop_ids.begin(), step.next->stop_ids.end()}};
  };
  const Step& first = jobs.front()->step();
  if (!first.next) return std::nullopt;
  const auto named = first.named_in(0);
  const Asked asked{rule_of(first), {named.begin(), named.end()}, first.rows_of_equals};
  for (const Job* job : jobs) {
    const Step& step = job->step();
    if (job->on_stage || !step.next || rule_of(step) != asked.rule || step.kept ||
        !names_in_all_rows(step, asked.named)) {
      return std::nullopt;
    }
  }
  return asked;
}

std::unique_ptr<PassAhead> PassAhead::of(nn::Runtime& runtime, const StepLogits& logits,
                                         const Jobs& jobs) {
  if (!logits.recorded || runtime.row_type() == at::kFloat) return nullptr;
  std::optional<Asked> asked = asked_by(jobs);
  if (!asked || !nn::can_choose_rows(runtime, logits.recorded->tables, asked->rule)) return nullptr;
  std::unique_ptr<PassAhead> pass(new PassAhead(runtime, logits.recorded, std::move(*asked)));
  const nn::NextRowsRule& rule = pass->asked_.rule;
  nn::KnownOfRows known(runtime, rule, coming_slots(jobs, rule.rows, 0));
  known.sums = uploaded_sums(runtime, jobs);
  return pass->summarize(logits.rows, known) ? std::move(pass) : nullptr;
}

bool PassAhead::summarize(const at::Tensor& logits, const nn::KnownOfRows& known) {
  const nn::NextRowsRule& rule = asked_.rule;
  logits_ = logits.clone();
  nn::AskedOfRows asked{rule.top, {}, {}};
  if (!asked_.named.empty()) {
    for (std::int64_t row = 0; row < logits.size(0); ++row) {
      asked.offsets.push_back(static_cast<std::int32_t>(asked.tokens.size()));
      asked.tokens.insert(asked.tokens.end(), asked_.named.begin(), asked_.named.end());
    }
    asked.offsets.push_back(static_cast<std::int32_t>(asked.tokens.size()));
  }
  auto made = nn::SummariesUnderway::make(*runtime_, logits_, asked, rule.words());
  if (!made) return false;
  summaries_ = std::make_shared<nn::SummariesUnderway>(std::move(*made));
  nn::choose_rows(*runtime_, recorded_->tables, rule, known, *summaries_);
  summaries_->send();
  return true;
}

// Whether all texts may be longer by a position.
bool PassAhead::fits(const Jobs& jobs) const {
  const nn::StepSlots& tables = recorded_->tables.cache();
  return std::ranges::all_of(jobs, [&](const Job* job) {
    const nn::KvCache& cache = job->state->cache;
    const nn::KvCache::Slots slots = cache.slots();
    const bool has_room = slots.tail == 0 ? std::ssize(slots.shared) < tables.max_shared()
                                          : slots.tail < tables.max_tail();
    return has_room && cache.length() < recorded_->max_length;
  });
}

std::unique_ptr<PassAhead> PassAhead::launch_next(const Jobs& jobs, std::uint64_t number) const {
  const nn::StepTables& tables = recorded_->tables;
  if (runtime_->recorded_use(tables.key()) != use_ || !fits(jobs)) return nullptr;
  const nn::NextRowsRule& rule = asked_.rule;
  nn::KnownOfRows known(*runtime_, rule, coming_slots(jobs, rule.rows, 1));
  known.sums = nn::chosen_sums(rule, *summaries_);
  if (!tables.reads_pages_of_today()) return nullptr;
  const at::Tensor logits = runtime_->launch_again(tables.key(), use_);
  if (!logits.defined()) return nullptr;
  std::unique_ptr<PassAhead> next(new PassAhead(*runtime_, recorded_, asked_));
  next->use_ = runtime_->recorded_use(tables.key()).value();
  if (!next->summarize(logits.narrow(0, 0, rule.requests * rule.rows), known)) return nullptr;
  next->before_ = summaries_;
  next->number_ = number;
  for (std::size_t i = 0; i < jobs.size(); ++i) jobs[i]->ahead = {number, i};
  return next;
}

PassAhead::Jobs PassAhead::asked_for_by(const Jobs& jobs) const {
  const nn::ChosenRows chosen = nn::chosen_rows(asked_.rule, *before_);
  const auto rows = static_cast<std::size_t>(asked_.rule.rows);
  Jobs found;
  for (Job* job : jobs) {
    if (job->ahead.pass != number_) continue;
    const Step& step = job->step();
    const std::size_t first = job->ahead.place * rows;
    if (!step.back_to && !step.kept &&
        std::ranges::equal(step.tokens, chosen.tokens.subspan(first, rows)) &&
        std::ranges::equal(step.sources, chosen.sources.subspan(first, rows))) {
      found.push_back(job);
    }
  }
  return found;
}

bool PassAhead::goes_on_for(const Jobs& jobs) const {
  for (std::size_t i = 0; before_ && i < jobs.size(); ++i) {
    if (jobs[i]->ahead.place != i) return false;
  }
  const std::optional<Asked> asked = asked_by(jobs);
  return asked && asked->rule == asked_.rule && asked->named == asked_.named;
}

bool PassAhead::summarises(const Job& job) const {
  const Step& step = job.step();
  return !job.on_stage && !step.whole_rows &&
         step.top == static_cast<std::size_t>(asked_.rule.top) &&
         names_in_all_rows(step, asked_.named);
}

at::Tensor PassAhead::rows_of(const Jobs& jobs) const {
  std::vector<at::Tensor> rows;
  for (const Job* job : jobs) {
    const auto first = static_cast<std::int64_t>(job->ahead.place) * asked_.rule.rows;
    rows.push_back(logits_.narrow(0, first, asked_.rule.rows));
  }
  return at::cat(rows);
}

void PassAhead::hand_out(const Jobs& jobs) {
  const auto all = std::make_shared<const nn::RowSummaries>(summaries_->read());
  if (!std::ranges::all_of(jobs, [&](const Job* job) { return summarises(*job); })) {
    std::vector<StepTaken> steps;
    for (const Job* job : jobs) steps.push_back({&job->step()});
    std::vector<LogitsOfStep> logits = logits_of_steps(*runtime_, rows_of(jobs), steps);
    for (std::size_t i = 0; i < jobs.size(); ++i) jobs[i]->logits = std::move(logits[i].logits);
    return;
  }
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    const std::size_t place = before_ ? jobs[i]->ahead.place : i;
    const std::size_t first = place * static_cast<std::size_t>(asked_.rule.rows);
    const at::Tensor rows =
        asked_.rows_of_equals
            ? logits_.narrow(0, static_cast<std::int64_t>(first), asked_.rule.rows)
            : at::Tensor();
    jobs[i]->logits = summarized_logits(
        *runtime_,
        {all, first, first * asked_.named.size(), static_cast<std::size_t>(asked_.rule.top)}, rows);
  }
}

}  // namespace instructblip
