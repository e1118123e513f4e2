#include "nn/row_summaries.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <utility>

namespace instructblip::nn {
namespace {

namespace cuda = kernels::cuda;

template <class Word>
std::vector<Word> taken(const at::Tensor& words, std::int64_t first, std::int64_t count) {
  std::vector<Word> values(static_cast<std::size_t>(count));
  if (count > 0) {
    std::memcpy(values.data(), words.const_data_ptr<std::int32_t>() + first,
                values.size() * sizeof(Word));
  }
  return values;
}

// Tokens that are named, with their offsets before them.
at::Tensor uploaded(const Runtime& runtime, const AskedOfRows& asked) {
  if (asked.offsets.empty()) return {};
  std::vector<std::int32_t> words = asked.offsets;
  std::ranges::copy(asked.tokens, std::back_inserter(words));
  return runtime.ids(words);
}

}  // namespace

SummariesUnderway::SummariesUnderway(const Runtime& runtime, at::Tensor logits,
                                     const Layout& layout)
    : runtime_(&runtime),
      logits_(std::move(logits)),
      layout_(layout),
      there_(runtime.empty({layout.words()}, at::kInt)),
      here_(runtime.host_memory({layout.words()}, at::kInt)) {}

std::int32_t* SummariesUnderway::word(std::int64_t at) const {
  return there_.mutable_data_ptr<std::int32_t>() + at;
}

float* SummariesUnderway::number(std::int64_t at) const {
  return reinterpret_cast<float*>(word(at));
}

std::optional<SummariesUnderway> SummariesUnderway::make(const Runtime& runtime,
                                                         const at::Tensor& logits,
                                                         const AskedOfRows& asked,
                                                         std::int64_t more) {
  const Layout layout{logits.size(0), asked.top, std::ssize(asked.tokens), more};
  const cuda::RowSummaryProblem problem{.rows = static_cast<std::int32_t>(layout.rows),
                                        .vocabulary = static_cast<std::int32_t>(logits.size(1)),
                                        .top = static_cast<std::int32_t>(layout.top)};
  const cuda::Tables& tables = runtime.tables().cuda;
  const auto* const kernel = runtime.device_kernel(tables.row_summary, problem);
  if (kernel == nullptr) return std::nullopt;
  SummariesUnderway made(runtime, logits.contiguous(), layout);
  const at::Tensor named = uploaded(runtime, asked);
  const auto workspace = static_cast<std::int64_t>(tables.row_summary_workspace(problem));
  const at::Tensor scratch = runtime.empty({workspace}, at::kInt);
  const at::Tensor counters = runtime.counters(layout.rows);
  const std::int32_t* const offsets =
      named.defined() ? named.const_data_ptr<std::int32_t>() : nullptr;
  kernel->run(
      problem,
      {.logits = made.logits_.const_data_ptr<float>(),
       .named_offsets = offsets,
       .named_tokens = offsets == nullptr ? nullptr : offsets + std::ssize(asked.offsets),
       .named_logits = made.number(layout.named_logits()),
       .max = made.number(layout.max()),
       .log_sum = made.number(layout.log_sum()),
       .not_finite = made.word(layout.not_finite()),
       .best_logits = made.number(layout.best_logits()),
       .best_tokens = made.word(layout.best_tokens()),
       .workspace = reinterpret_cast<std::uint32_t*>(scratch.mutable_data_ptr<std::int32_t>()),
       .counters = reinterpret_cast<unsigned*>(counters.mutable_data_ptr<std::int32_t>())},
      runtime.stream());
  return made;
}

SummariesUnderway::There SummariesUnderway::there() const {
  return {.max = number(layout_.max()),
          .log_sum = number(layout_.log_sum()),
          .not_finite = word(layout_.not_finite()),
          .best_logits = number(layout_.best_logits()),
          .best_tokens = word(layout_.best_tokens()),
          .more = there_.narrow(0, layout_.own(), layout_.more)};
}

void SummariesUnderway::send() {
  here_.copy_(there_, /*non_blocking=*/true);
  sent_ = runtime_->mark();
}

RowSummaries SummariesUnderway::read() {
  sent_->wait();
  const std::int64_t rows = layout_.rows, ranked = rows * layout_.top;
  RowSummaries summaries{.max = taken<float>(here_, layout_.max(), rows),
                         .log_sum = taken<float>(here_, layout_.log_sum(), rows),
                         .not_finite = taken<std::int32_t>(here_, layout_.not_finite(), rows),
                         .not_finite_logit = std::vector<float>(static_cast<std::size_t>(rows)),
                         .best_logits = taken<float>(here_, layout_.best_logits(), ranked),
                         .best_tokens = taken<std::int32_t>(here_, layout_.best_tokens(), ranked),
                         .named = taken<float>(here_, layout_.named_logits(), layout_.named)};
  for (std::int64_t row = 0; row < rows; ++row) {
    const auto r = static_cast<std::size_t>(row);
    if (summaries.not_finite[r] < 0) continue;
    summaries.not_finite_logit[r] = logits_[row][summaries.not_finite[r]].item<float>();
  }
  return summaries;
}

std::span<const std::int32_t> SummariesUnderway::more() const {
  return {here_.const_data_ptr<std::int32_t>() + layout_.own(),
          static_cast<std::size_t>(layout_.more)};
}

}  // namespace instructblip::nn
