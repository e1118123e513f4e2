// Text that grows token by token, for callers who show it while it is made.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "text/tokenizer.h"

namespace instructblip {

// Emits whole UTF-8 only; the pieces concatenated equal Tokenizer::decode of all ids, special tokens
// skipped, leading white space stripped as the reference's strip() does (trailing white space is held
// back until something follows it, so the concatenation is stripped on both sides).
class StreamingDetokenizer {
 public:
  explicit StreamingDetokenizer(const Tokenizer& tokenizer) : tokenizer_(&tokenizer) {}

  // The text that `id` completes; often empty.
  std::string put(std::int32_t id);
  // What was held back; call once, after the last id.
  std::string finish();
  // Everything emitted so far.
  const std::string& text() const { return emitted_; }

 private:
  const Tokenizer* tokenizer_;
  std::vector<std::int32_t> ids_;
  std::string emitted_;
};

}  // namespace instructblip
