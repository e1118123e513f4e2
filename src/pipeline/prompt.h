// From the caller's instruction to what the Q-Former and the language model read.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "checkpoint/model_config.h"
#include "text/tokenizer.h"

namespace instructblip {

// Both readings of one instruction.
struct Instruction {
  std::vector<std::int32_t> qformer;   // [CLS] ... [SEP]
  std::vector<std::int32_t> language;  // without image tokens
};

// Owns the two tokenizers and the limits that a text must keep. Immutable.
class PromptBuilder {
 public:
  // Reads the tokenizers of `directory`. `embedding_rows` of the language model bound its ids.
  PromptBuilder(const std::filesystem::path& directory, const ModelConfig& config,
                std::int64_t embedding_rows);

  // Throws Error(invalid_argument): not UTF-8, too long, or holding the literal image token, which
  // would stand for a picture that is not there.
  Instruction read(std::string_view text) const;

  // The ids of the whole prompt as the reference has them: an image token for each query, then the
  // text. Where config.json names no image token it is the id that adding one would give.
  std::vector<std::int32_t> prompt_ids(const Instruction& instruction) const;

  const Tokenizer& tokenizer() const { return *tokenizer_; }

 private:
  std::unique_ptr<const Tokenizer> tokenizer_, qformer_tokenizer_;
  std::int64_t queries_, max_qformer_tokens_;
  std::int32_t image_token_;
};

}  // namespace instructblip
