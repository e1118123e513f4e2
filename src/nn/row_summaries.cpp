#include "nn/row_summaries.h"

#include <algorithm>
#include <cstring>
#include <iterator>

namespace instructblip::nn {
namespace {

namespace cuda = kernels::cuda;

// Where the results stand among the words that come to the host.
struct Layout {
  std::int64_t rows, top, named;

  std::int64_t max() const { return 0; }
  std::int64_t log_sum() const { return rows; }
  std::int64_t not_finite() const { return 2 * rows; }
  std::int64_t best_logits() const { return 3 * rows; }
  std::int64_t best_tokens() const { return (3 + top) * rows; }
  std::int64_t named_logits() const { return (3 + 2 * top) * rows; }
  std::int64_t words() const { return named_logits() + named; }
};

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
at::Tensor sent(const Runtime& runtime, const AskedOfRows& asked) {
  if (asked.offsets.empty()) return {};
  std::vector<std::int32_t> words = asked.offsets;
  std::ranges::copy(asked.tokens, std::back_inserter(words));
  return runtime.ids(words);
}

RowSummaries read(const at::Tensor& words, const Layout& layout) {
  const std::int64_t ranked = layout.rows * layout.top;
  return {.max = taken<float>(words, layout.max(), layout.rows),
          .log_sum = taken<float>(words, layout.log_sum(), layout.rows),
          .not_finite = taken<std::int32_t>(words, layout.not_finite(), layout.rows),
          .not_finite_logit = std::vector<float>(static_cast<std::size_t>(layout.rows)),
          .best_logits = taken<float>(words, layout.best_logits(), ranked),
          .best_tokens = taken<std::int32_t>(words, layout.best_tokens(), ranked),
          .named = taken<float>(words, layout.named_logits(), layout.named)};
}

}  // namespace

std::optional<RowSummaries> summarized_on_device(const Runtime& runtime, const at::Tensor& logits,
                                                 const AskedOfRows& asked) {
  const Layout layout{logits.size(0), asked.top, std::ssize(asked.tokens)};
  const cuda::RowSummaryProblem problem{.rows = static_cast<std::int32_t>(layout.rows),
                                        .vocabulary = static_cast<std::int32_t>(logits.size(1)),
                                        .top = static_cast<std::int32_t>(layout.top)};
  const cuda::Tables& tables = runtime.tables().cuda;
  const auto* const kernel = runtime.device_kernel(tables.row_summary, problem);
  if (kernel == nullptr) return std::nullopt;
  const at::Tensor rows = logits.contiguous(), named = sent(runtime, asked);
  const auto workspace = static_cast<std::int64_t>(tables.row_summary_workspace(problem));
  const at::Tensor scratch = runtime.empty({workspace}, at::kInt);
  const at::Tensor counters = runtime.counters(layout.rows);
  const at::Tensor words = runtime.empty({layout.words()}, at::kInt);
  auto* const to = words.mutable_data_ptr<std::int32_t>();
  const auto floats = [&](std::int64_t at) { return reinterpret_cast<float*>(to + at); };
  const std::int32_t* const offsets =
      named.defined() ? named.const_data_ptr<std::int32_t>() : nullptr;
  kernel->run(
      problem,
      {.logits = rows.const_data_ptr<float>(),
       .named_offsets = offsets,
       .named_tokens = offsets == nullptr ? nullptr : offsets + std::ssize(asked.offsets),
       .named_logits = floats(layout.named_logits()),
       .max = floats(layout.max()),
       .log_sum = floats(layout.log_sum()),
       .not_finite = to + layout.not_finite(),
       .best_logits = floats(layout.best_logits()),
       .best_tokens = to + layout.best_tokens(),
       .workspace = reinterpret_cast<std::uint32_t*>(scratch.mutable_data_ptr<std::int32_t>()),
       .counters = reinterpret_cast<unsigned*>(counters.mutable_data_ptr<std::int32_t>())},
      runtime.stream());
  RowSummaries summaries = read(runtime.download(words), layout);
  for (std::int64_t row = 0; row < layout.rows; ++row) {
    const auto r = static_cast<std::size_t>(row);
    if (summaries.not_finite[r] < 0) continue;
    summaries.not_finite_logit[r] = rows[row][summaries.not_finite[r]].item<float>();
  }
  return summaries;
}

}  // namespace instructblip::nn
