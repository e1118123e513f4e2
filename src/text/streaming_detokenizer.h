// Text that grows token by token, for callers who show it while it is made.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "text/decoders.h"
#include "text/tokenizer.h"

namespace instructblip {

// Emits whole UTF-8 only; the pieces concatenated equal Tokenizer::decode of all ids, special
// tokens skipped, stripped on both sides as the reference's strip() does. Trailing white space,
// bytes of an unfinished character and what the tokenizer's clean-up may still change are held
// back.
class StreamingDetokenizer {
 public:
  explicit StreamingDetokenizer(const Tokenizer& tokenizer);

  // The text that `id` completes; often empty.
  std::string put(std::int32_t id);
  // What was held back; call once, after the last id.
  std::string finish();
  // Everything emitted so far.
  const std::string& text() const { return emitted_; }

 private:
  std::unique_ptr<TokenStream> stream_;
  DecodeChain strip_;
  std::string emitted_;
};

}  // namespace instructblip
