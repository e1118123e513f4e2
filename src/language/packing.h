// Several prompts, or the hypotheses of several, in one tensor: one after the other, nothing
// between them. Linear layers and norms run over all rows at once; attention runs over each part by
// itself, so that no row is padded and none sees another request's.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "language/language_state.h"

namespace instructblip {

// The rows of one prompt.
struct Part {
  LanguageState* state;
  std::int64_t first, count;

  at::Tensor of(const at::Tensor& x, std::int64_t dim) const { return x.narrow(dim, first, count); }
};

// attend(part, index of the part) of every part, put together along `dim`.
template <typename Attend>
at::Tensor by_part(std::span<const Part> parts, std::int64_t dim, Attend&& attend) {
  if (parts.size() == 1) return attend(parts[0], std::size_t{0});
  std::vector<at::Tensor> results;
  results.reserve(parts.size());
  for (std::size_t i = 0; i < parts.size(); ++i) results.push_back(attend(parts[i], i));
  return at::cat(results, dim);
}

// Prompts on their way through a model. If they do not arrive, their states are again what they
// were before.
class PackedPrompts {
 public:
  explicit PackedPrompts(std::span<LanguageState* const> states);
  ~PackedPrompts();
  PackedPrompts(const PackedPrompts&) = delete;
  PackedPrompts& operator=(const PackedPrompts&) = delete;

  const at::Tensor& rows() const { return rows_; }  // [1, all P, L]
  std::span<const Part> parts() const { return parts_; }
  std::vector<std::int64_t> positions() const;  // of each row in its prompt
  // The last row of each prompt: x [1, all P, D] -> [S, D].
  at::Tensor last_rows(const at::Tensor& x) const;
  // All have been read: their rows are not needed any more.
  void keep();

 private:
  std::vector<Part> parts_;
  at::Tensor rows_;
  bool kept_ = false;
};

// One position more for each of several states; taken back unless it is kept.
class PackedStep {
 public:
  explicit PackedStep(std::span<const LanguageStep> steps);
  ~PackedStep();
  PackedStep(const PackedStep&) = delete;
  PackedStep& operator=(const PackedStep&) = delete;

  std::span<const std::int32_t> tokens() const { return tokens_; }  // [R of all]
  std::span<const Part> parts() const { return parts_; }
  std::vector<std::int64_t> positions() const;  // of each row, what came before it counted
  void keep() { kept_ = true; }

 private:
  std::vector<Part> parts_;
  std::vector<std::int32_t> tokens_;
  bool kept_ = false;
};

}  // namespace instructblip
