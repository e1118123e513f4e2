#include "pipeline/pass_logits.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <optional>
#include <utility>

#include "nn/row_summaries.h"

namespace instructblip {
namespace {

std::span<const float> floats_of(const at::Tensor& rows) {
  return {rows.const_data_ptr<float>(), static_cast<std::size_t>(rows.numel())};
}

std::size_t width_of(const at::Tensor& rows) { return static_cast<std::size_t>(rows.size(1)); }

// Rows that came to the host.
class WholeRows final : public Logits {
 public:
  WholeRows(at::Tensor rows, std::vector<OwnedSummary> summaries)  // [R, N], contiguous
      : rows_(std::move(rows)), logits_(floats_of(rows_), width_of(rows_), std::move(summaries)) {}

  std::span<const RowSummary> summarize(const Step& step) override {
    return logits_.summarize(step);
  }
  std::span<const float> row(std::size_t row) override { return logits_.row(row); }

 private:
  at::Tensor rows_;
  HostLogits logits_;
};

// Rows that are summarised, and stay on the device.
class Summaries final : public Logits {
 public:
  Summaries(nn::Runtime& runtime, SummarizedRows share, at::Tensor rows)
      : runtime_(runtime), share_(std::move(share)), rows_(std::move(rows)) {}

  std::span<const RowSummary> summarize(const Step& step) override {
    const nn::RowSummaries& all = *share_.all;
    best_.resize(step.rows());
    std::size_t named = share_.first_named;
    for (std::size_t r = 0; r < step.rows(); ++r) {
      const std::size_t row = share_.first_row + r, count = step.named_in(r).size();
      if (all.not_finite[row] >= 0) {
        throw_not_finite(step.number, static_cast<std::size_t>(all.not_finite[row]),
                         all.not_finite_logit[row]);
      }
      for (std::size_t i = 0; i < step.top; ++i) {
        const std::size_t at = row * share_.top + i;
        if (all.best_tokens[at] < 0) break;
        best_[r].push_back({all.best_logits[at], all.best_tokens[at]});
      }
      summaries_.push_back(
          {{all.max[row], all.log_sum[row]}, std::span(all.named).subspan(named, count), best_[r]});
      named += count;
    }
    return summaries_;
  }

  std::span<const float> row(std::size_t row) override {
    if (rows_.device() != at::kCPU) {
      rows_ = runtime_.run([&] { return runtime_.download(rows_); });
    }
    return floats_of(rows_).subspan(row * width_of(rows_), width_of(rows_));
  }

 private:
  nn::Runtime& runtime_;
  SummarizedRows share_;
  at::Tensor rows_;
  std::vector<RowSummary> summaries_;
  std::vector<std::vector<Ranked>> best_;
};

// Summaries of the rows [R of all, N] of these steps in the host's memory, by all threads.
std::vector<OwnedSummary> summaries_of(kernels::Queue& queue, const at::Tensor& rows,
                                       std::span<const StepTaken> steps) {
  struct Wanted {
    std::size_t top;
    std::span<const std::int32_t> named;
  };
  std::vector<Wanted> wanted;
  for (const StepTaken& taken : steps) {
    for (std::size_t r = 0; r < taken.step->rows(); ++r) {
      wanted.push_back({taken.step->top, taken.step->named_in(r)});
    }
  }
  const std::span<const float> logits = floats_of(rows);
  const std::size_t width = width_of(rows);
  std::vector<OwnedSummary> summaries(wanted.size());
  constexpr std::int64_t kWorthAThread = 1 << 14;
  queue.run(std::ssize(wanted), kernels::grain_of(rows.size(1), kWorthAThread),
            [&](std::int64_t first, std::int64_t last) {
              for (auto r = static_cast<std::size_t>(first); std::cmp_less(r, last); ++r) {
                summaries[r] =
                    summary_of(logits.subspan(r * width, width), wanted[r].top, wanted[r].named);
              }
            });
  return summaries;
}

// Adds the logits of these steps, whose rows [R of all, N] are in the host's memory.
void add_whole_rows(const nn::Runtime& runtime, const at::Tensor& rows,
                    std::span<const StepTaken> steps, std::vector<LogitsOfStep>& result) {
  std::vector<OwnedSummary> all = summaries_of(runtime.queue(), rows, steps);
  auto next = std::make_move_iterator(all.begin());
  std::int64_t first = 0;
  for (const StepTaken& taken : steps) {
    const auto count = static_cast<std::int64_t>(taken.step->rows());
    const at::Tensor own = rows.narrow(0, first, count);
    std::vector<OwnedSummary> summaries(next, next + count);
    result.push_back({std::make_unique<WholeRows>(own, std::move(summaries)), own});
    first += count;
    next += count;
  }
}

bool comes_down(const StepTaken& taken) { return taken.shown || taken.step->whole_rows; }

// What the steps ask of all rows.
nn::AskedOfRows asked_of(std::span<const StepTaken> steps) {
  nn::AskedOfRows asked;
  bool named = false;
  asked.offsets.push_back(0);
  for (const StepTaken& taken : steps) {
    asked.top = std::max(asked.top, static_cast<std::int64_t>(taken.step->top));
    for (std::size_t r = 0; r < taken.step->rows(); ++r) {
      const auto tokens = taken.step->named_in(r);
      named = named || !tokens.empty();
      asked.tokens.insert(asked.tokens.end(), tokens.begin(), tokens.end());
      asked.offsets.push_back(static_cast<std::int32_t>(asked.tokens.size()));
    }
  }
  if (!named) asked.offsets.clear();
  return asked;
}

std::shared_ptr<const nn::RowSummaries> summarized(const nn::Runtime& runtime,
                                                   const at::Tensor& logits,
                                                   const nn::AskedOfRows& asked) {
  if (runtime.row_type() == at::kFloat) return nullptr;
  auto summaries = nn::SummariesUnderway::make(runtime, logits, asked);
  if (!summaries) return nullptr;
  summaries->send();
  return std::make_shared<const nn::RowSummaries>(summaries->read());
}

std::size_t named_by(const Step& step) {
  std::size_t count = 0;
  for (const auto& tokens : step.named) count += tokens.size();
  return count;
}

}  // namespace

std::unique_ptr<Logits> summarized_logits(nn::Runtime& runtime, SummarizedRows summarized,
                                          at::Tensor rows) {
  return std::make_unique<Summaries>(runtime, std::move(summarized), std::move(rows));
}

std::vector<LogitsOfStep> logits_of_steps(nn::Runtime& runtime, const at::Tensor& logits,
                                          std::span<const StepTaken> steps) {
  const bool all_come_down = std::ranges::all_of(steps, comes_down);
  const nn::AskedOfRows asked = asked_of(steps);
  const auto summaries = all_come_down ? nullptr : summarized(runtime, logits, asked);
  std::vector<LogitsOfStep> result;
  if (!summaries) {
    add_whole_rows(runtime, runtime.download(logits).contiguous(), steps, result);
    return result;
  }
  SummarizedRows share{summaries, 0, 0, static_cast<std::size_t>(asked.top)};
  for (const StepTaken& taken : steps) {
    const Step& step = *taken.step;
    const at::Tensor rows = logits.narrow(0, static_cast<std::int64_t>(share.first_row),
                                          static_cast<std::int64_t>(step.rows()));
    if (comes_down(taken)) {
      add_whole_rows(runtime, runtime.download(rows), {&taken, 1}, result);
    } else {
      // A step that is launched again puts its logits where these are.
      const at::Tensor kept = step.rows_of_equals ? rows.clone() : at::Tensor();
      result.push_back({summarized_logits(runtime, share, kept), {}});
    }
    share.first_row += step.rows();
    share.first_named += named_by(step);
  }
  return result;
}

}  // namespace instructblip
