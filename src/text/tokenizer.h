// Text to token ids and back, equal to the tokenizers of the reference.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/text_length.h"

namespace instructblip {

// Which tokenizer a folder holds, where its files leave it open.
enum class TokenizerKind {
  t5,     // Unigram; spiece.model
  llama,  // BPE with byte fallback; tokenizer.model
  bert,   // WordPiece; vocab.txt
  gpt2,   // BPE over bytes; vocab.json and merges.txt
};

// One sequence of ids becoming text. Not for more than one thread; may not outlive its tokenizer.
class TokenStream {
 public:
  virtual ~TokenStream() = default;
  // The text that is certain now that `id` has come; often empty, always whole UTF-8.
  virtual std::string put(std::int32_t id) = 0;
  // What was held back; call once, after the last id.
  virtual std::string finish() = 0;
};

// Immutable; safe to use from any thread.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  // The ids of `text` as the reference's processor feeds them: added tokens matched first, special
  // tokens (T5's </s>, LLaMA's first token, [CLS] and [SEP]) put where the tokenizer's files say.
  // `text` must be valid UTF-8.
  virtual std::vector<std::int32_t> encode(std::string_view text) const = 0;

  // The text of `ids`, as the reference's decode(ids, skip_special_tokens,
  // clean_up_tokenization_spaces = what the files say). Ids without a token are skipped. Always
  // whole UTF-8.
  virtual std::string decode(std::span<const std::int32_t> ids, bool skip_special_tokens) const = 0;
  // The same one id at a time: all that a stream hands out, concatenated, equals decode() of its
  // ids.
  virtual std::unique_ptr<TokenStream> decode_stream(bool skip_special_tokens) const = 0;

  virtual std::optional<std::int32_t> id_of(std::string_view token) const = 0;
  // The token as the files spell it; none for an id without one.
  virtual std::optional<std::string> token_of(std::int32_t id) const = 0;

  // One more than the largest id in use, added tokens included.
  virtual std::int32_t size() const = 0;
  virtual std::optional<std::int32_t> eos() const = 0;
  // The file that lists the tokens, for messages.
  virtual const std::filesystem::path& file() const = 0;
  // To what its files have texts cut, which encode() does not do: what else counts is another's.
  virtual TextLength length() const { return {}; }
};

// What a reference does otherwise than the tokenizer's files say.
struct TokenizerRules {
  std::optional<bool> clean_up_spaces = {};  // before punctuation, where ids become text
  // LLaMA's by the SentencePiece library, as LAVIS has it (slow_llama_tokenizer.h). Without a
  // tokenizer.model, which LAVIS would need, the other files count, and decoding follows it.
  bool slow_llama = false;
};

// Reads the tokenizer of `directory`. tokenizer.json is authoritative where present; else
// spiece.model, tokenizer.model, vocab.txt or vocab.json and merges.txt with tokenizer_config.json,
// special_tokens_map.json, added_tokens.json. Throws Error: not_found, bad_model, unsupported.
std::unique_ptr<const Tokenizer> load_tokenizer(const std::filesystem::path& directory,
                                                TokenizerKind kind,
                                                const TokenizerRules& rules = {});

}  // namespace instructblip
