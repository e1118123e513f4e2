// Prompts, or the hypotheses of several, packed (nn/packing.h): no row is padded and none sees
// another request's.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "language/language_state.h"
#include "nn/packing.h"

namespace instructblip {

// The rows of one prompt.
struct PromptPart : nn::Part {
  LanguageState* state;
};

// Prompts on their way through a model. If they do not arrive, their states are again what they
// were before.
class PackedPrompts {
 public:
  explicit PackedPrompts(std::span<LanguageState* const> states);
  ~PackedPrompts();
  PackedPrompts(const PackedPrompts&) = delete;
  PackedPrompts& operator=(const PackedPrompts&) = delete;

  const at::Tensor& rows() const { return rows_; }  // [1, all P, L]
  std::span<const PromptPart> parts() const { return parts_; }
  std::vector<std::int64_t> positions() const;  // of each row in its prompt
  std::vector<std::int64_t> lengths() const;    // how long each row's prompt is
  // The last row of each prompt: x [1, all P, D] -> [S, D].
  at::Tensor last_rows(const at::Tensor& x) const;
  // All have been read: their rows are not needed any more.
  void keep();

 private:
  std::vector<PromptPart> parts_;
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
  std::span<const PromptPart> parts() const { return parts_; }
  std::vector<std::int64_t> positions() const;  // of each row, what came before it counted
  std::vector<std::int64_t> lengths() const;    // how long each row's sequence is by now
  void keep() { kept_ = true; }

 private:
  std::vector<PromptPart> parts_;
  std::vector<std::int32_t> tokens_;
  bool kept_ = false;
};

}  // namespace instructblip
