// Logits in short, made on a device: what a search reads of them is a few numbers of each row.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "nn/runtime.h"

namespace instructblip::nn {

// R rows | N logits of each | K of the best of each

struct AskedOfRows {
  std::int64_t top = 0;  // K
  // Tokens whose logits are wanted by name, and which are not among the best: those of row r are
  // tokens[offsets[r]] up to tokens[offsets[r + 1]], each once. No offsets: none.
  std::vector<std::int32_t> offsets, tokens;
};

// What decoding/logits.h calls a RowSummary, of each row.
struct RowSummaries {
  std::vector<float> max, log_sum;        // [R]
  std::vector<std::int32_t> not_finite;   // [R], the first token whose logit is not, or -1
  std::vector<float> not_finite_logit;    // [R], what it is
  std::vector<float> best_logits;         // [R, K], the largest first
  std::vector<std::int32_t> best_tokens;  // [R, K]; -1 where no more are left
  std::vector<float> named;               // logits of AskedOfRows::tokens
};

// Summaries that a device makes behind all that was handed over to it before. They come to the host
// with one copy, and what else is known of the rows with them.
class SummariesUnderway {
 public:
  // Summaries of logits [R, N] float32 on the runtime's device, which are kept. `more` words [more]
  // int32 are the caller's. Nothing where the device has no kernel that takes these sizes.
  static std::optional<SummariesUnderway> make(const Runtime& runtime, const at::Tensor& logits,
                                               const AskedOfRows& asked, std::int64_t more = 0);

  // Where they are on the device.
  struct There {
    const float *max, *log_sum;       // [R]
    const std::int32_t* not_finite;   // [R]
    const float* best_logits;         // [R, K]
    const std::int32_t* best_tokens;  // [R, K]
    at::Tensor more;                  // [more]
  };
  There there() const;

  // Once, when the caller has handed over what makes his own words.
  void send();
  // What came, for which it waits if it has to. The tensors are on the host.
  RowSummaries read();
  // The caller's words, behind read().
  std::span<const std::int32_t> more() const;

 private:
  // Where each kind stands among the words that come to the host.
  struct Layout {
    std::int64_t rows, top, named, more;

    std::int64_t max() const { return 0; }
    std::int64_t log_sum() const { return rows; }
    std::int64_t not_finite() const { return 2 * rows; }
    std::int64_t best_logits() const { return 3 * rows; }
    std::int64_t best_tokens() const { return (3 + top) * rows; }
    std::int64_t named_logits() const { return (3 + 2 * top) * rows; }
    std::int64_t own() const { return named_logits() + named; }
    std::int64_t words() const { return own() + more; }
  };

  SummariesUnderway(const Runtime& runtime, at::Tensor logits, const Layout& layout);
  std::int32_t* word(std::int64_t at) const;
  float* number(std::int64_t at) const;

  const Runtime* runtime_;
  at::Tensor logits_;
  Layout layout_;
  at::Tensor there_, here_;  // the words, on the device and on the host
  std::unique_ptr<DeviceMark> sent_;
};

}  // namespace instructblip::nn
