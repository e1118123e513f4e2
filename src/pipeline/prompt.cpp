#include "pipeline/prompt.h"

#include <algorithm>
#include <string>
#include <variant>

#include "core/errors.h"
#include "core/limits.h"
#include "core/utf8.h"

namespace instructblip {
namespace {

constexpr std::string_view kImageToken = "<image>";

// Tokens that have an id beyond the embedding without harm: the image token of old directories, the
// padding of a tokenizer. Ids that a text really uses are checked when they are embedded.
constexpr std::int64_t kTokensWithoutRow = 64;

// What the tokenizer's files leave open follows from the language model.
TokenizerKind kind_of(const T5Config&) { return TokenizerKind::t5; }
TokenizerKind kind_of(const LlamaConfig&) { return TokenizerKind::llama; }
TokenizerKind kind_of(const LanguageConfig& text) {
  return std::visit([](const auto& config) { return kind_of(config); }, text);
}

// The id that today's processor gives the token when it adds it to an old tokenizer. Its row may be
// a spare one of the vocabulary, which the repetition penalty then counts as part of the prompt.
std::int32_t added_image_token(const Tokenizer& tokenizer) {
  return tokenizer.id_of(kImageToken).value_or(tokenizer.size());
}

void check_rows(const Tokenizer& tokenizer, std::int64_t rows, const std::string& which) {
  if (tokenizer.size() - kTokensWithoutRow <= rows) return;
  throw Error(ErrorCode::bad_model,
              which + " has " + std::to_string(tokenizer.size()) + " tokens, expected at most " +
                  std::to_string(rows) + ", the rows of the embedding",
              "is the tokenizer of another model in this directory?");
}

}  // namespace

PromptBuilder::PromptBuilder(const std::filesystem::path& directory, const ModelConfig& config,
                             std::int64_t embedding_rows)
    : tokenizer_(load_tokenizer(directory, kind_of(config.text))),
      qformer_tokenizer_(load_tokenizer(directory / "qformer_tokenizer", TokenizerKind::bert)),
      queries_(config.qformer.queries),
      max_qformer_tokens_(config.qformer.max_positions),
      image_token_(config.image_token ? *config.image_token : added_image_token(*tokenizer_)) {
  check_rows(*tokenizer_, embedding_rows, "the tokenizer");
  check_rows(*qformer_tokenizer_, config.qformer.vocabulary, "qformer_tokenizer");
}

Instruction PromptBuilder::read(std::string_view text) const {
  const auto refuse = [](const std::string& message, const std::string& hint = {}) {
    throw Error(ErrorCode::invalid_argument, "the instruction " + message, hint);
  };
  if (static_cast<std::int64_t>(text.size()) > limits::kInstructionBytes) {
    refuse("has " + std::to_string(text.size()) + " bytes, expected at most " +
           std::to_string(limits::kInstructionBytes));
  }
  if (const auto offset = utf8::find_invalid(text)) {
    refuse("is not valid UTF-8 at byte " + std::to_string(*offset));
  }
  Instruction instruction{qformer_tokenizer_->encode(text), tokenizer_->encode(text)};
  if (text.find(kImageToken) != std::string_view::npos ||
      std::ranges::find(instruction.language, image_token_) != instruction.language.end()) {
    refuse(
        "holds the literal " + std::string(kImageToken) + ", which stands for the picture itself",
        "leave it out: the picture is put before the instruction");
  }
  const auto too_long = [&](std::size_t found, std::int64_t most, const std::string& who) {
    if (static_cast<std::int64_t>(found) <= most) return;
    refuse("becomes " + std::to_string(found) + " tokens of the " + who + ", expected at most " +
               std::to_string(most),
           "shorten it: no text is cut in silence");
  };
  too_long(instruction.qformer.size(), max_qformer_tokens_, "Q-Former");
  too_long(instruction.language.size(), limits::kPromptTokens - queries_, "language model");
  return instruction;
}

std::vector<std::int32_t> PromptBuilder::prompt_ids(const Instruction& instruction) const {
  std::vector<std::int32_t> ids(static_cast<std::size_t>(queries_), image_token_);
  ids.insert(ids.end(), instruction.language.begin(), instruction.language.end());
  return ids;
}

}  // namespace instructblip
