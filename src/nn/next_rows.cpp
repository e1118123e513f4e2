#include "nn/next_rows.h"

#include <algorithm>
#include <iterator>

namespace instructblip::nn {
namespace {

namespace cuda = kernels::cuda;

cuda::NextRowsProblem problem_of(const StepTables& tables, const NextRowsRule& rule) {
  return {.requests = static_cast<std::int32_t>(rule.requests),
          .rows = static_cast<std::int32_t>(rule.rows),
          .candidates = static_cast<std::int32_t>(rule.candidates),
          .stop_ids = static_cast<std::int32_t>(rule.stop_ids.size()),
          .top = static_cast<std::int32_t>(rule.top),
          .max_shared = static_cast<std::int32_t>(tables.cache().max_shared()),
          .max_tail = static_cast<std::int32_t>(tables.cache().max_tail())};
}

const cuda::Kernel<cuda::NextRows>* kernel_of(const Runtime& runtime,
                                              const cuda::NextRowsProblem& problem) {
  return runtime.device_kernel(runtime.tables().cuda.next_rows, problem);
}

std::int32_t* words_of(const at::Tensor& x) { return x.mutable_data_ptr<std::int32_t>(); }

}  // namespace

bool can_choose_rows(const Runtime& runtime, const StepTables& tables, const NextRowsRule& rule) {
  return kernel_of(runtime, problem_of(tables, rule)) != nullptr;
}

KnownOfRows::KnownOfRows(const Runtime& runtime, const NextRowsRule& rule,
                         std::span<const std::int32_t> slots) {
  std::vector<std::int32_t> all(slots.begin(), slots.end());
  std::ranges::copy(rule.stop_ids, std::back_inserter(all));
  words = runtime.ids(all);
}

void choose_rows(const Runtime& runtime, const StepTables& tables, const NextRowsRule& rule,
                 const KnownOfRows& known, const SummariesUnderway& summaries) {
  const cuda::NextRowsProblem problem = problem_of(tables, rule);
  const SummariesUnderway::There there = summaries.there();
  const StepSlots& cache = tables.cache();
  const std::int64_t rows = rule.requests * rule.rows;
  std::int32_t* const chosen = words_of(there.more);
  kernel_of(runtime, problem)
      ->run(problem,
            {.max = there.max,
             .log_sum = there.log_sum,
             .not_finite = there.not_finite,
             .best_logits = there.best_logits,
             .best_tokens = there.best_tokens,
             .stop_ids = words_of(known.words) + rows,
             .scores = known.sums.defined() ? known.sums.const_data_ptr<float>() : nullptr,
             .new_slots = words_of(known.words),
             .tokens = words_of(tables.tokens()),
             .positions = words_of(tables.positions()),
             .newest = words_of(cache.newest),
             .lengths = words_of(cache.lengths),
             .shared_slots = words_of(cache.shared),
             .tail_slots = words_of(cache.tails),
             .chosen_sources = chosen,
             .chosen_tokens = chosen + rows,
             .chosen_scores =
                 known.sums.defined() ? reinterpret_cast<float*>(chosen + 2 * rows) : nullptr},
            runtime.stream());
}

ChosenRows chosen_rows(const NextRowsRule& rule, const SummariesUnderway& summaries) {
  const auto rows = static_cast<std::size_t>(rule.requests * rule.rows);
  return {summaries.more().first(rows), summaries.more().subspan(rows, rows)};
}

at::Tensor chosen_sums(const NextRowsRule& rule, const SummariesUnderway& summaries) {
  if (rule.candidates == 1) return {};
  const std::int64_t rows = rule.requests * rule.rows;
  return summaries.there().more.narrow(0, 2 * rows, rows).view(at::kFloat);
}

}  // namespace instructblip::nn
