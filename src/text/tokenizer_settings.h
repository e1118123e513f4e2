// What the files beside a tokenizer say: tokenizer_config.json, special_tokens_map.json,
// added_tokens.json. Follows the loading code of the reference's tokenizer classes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/json.h"
#include "text/added_tokens.h"
#include "text/tokenizer.h"

namespace instructblip {

// A token as a settings file writes it: a mere string, or with flags, some of which may be left
// out.
struct TokenSpec {
  std::string content;
  bool is_string = true;
  bool special = false;
  bool single_word = false, lstrip = false, rstrip = false;
  std::optional<bool> normalized = std::nullopt;  // none: unless special

  static TokenSpec special_token(std::string content) {
    return {.content = std::move(content), .is_string = false, .special = true, .normalized = {}};
  }
  bool operator==(const TokenSpec&) const = default;
  AddedToken added() const {
    return {content, single_word, lstrip, rstrip, normalized.value_or(!special), special};
  }
};

struct TokenizerSettings {
  // Which of the reference's classes reads the directory.
  enum class Class { t5, llama, bert, gpt2, plain };
  Class tokenizer_class = Class::plain;
  // Written by version 5 of the reference, which treats the files in another way.
  bool version5 = false;

  // By id; only the order counts.
  std::map<std::int64_t, TokenSpec> added_tokens;
  // "bos_token", "eos_token", ... in the order in which missing ones are added; nulls left out.
  std::vector<std::pair<std::string, TokenSpec>> named;
  std::vector<TokenSpec> more_special;
  std::vector<TokenSpec> model_specific;  // named by the directory, as "image_token"

  bool clean_up_spaces = false;
  bool clean_up_spaces_of_bpe = false;  // version 5 asks for a second key
  bool split_special_tokens = false;
  bool legacy = true;
  // LLaMA's and GPT-2's; the latter adds none unless told to.
  bool add_bos = true, add_eos = false;
  // Absent counts as true, but for GPT-2, and null as false. Any value makes T5 and LLaMA read the
  // slow file.
  bool add_prefix_space = true;
  bool from_slow = false;  // the slow file is read for T5 and LLaMA, not tokenizer.json
  bool add_prefix_space_is_set = false, add_prefix_space_is_null = false;
  std::int32_t extra_ids = 100;  // T5's
  BertNormalizerOptions bert;
  bool basic_tokenize = true;  // BERT's

  const TokenSpec* find_named(std::string_view key) const;
  std::string named_or(std::string_view key, std::string fallback) const;
};

// The object of a file that may be missing. Throws Error(bad_model).
std::optional<Json> read_optional(const std::filesystem::path& file);

// The class that reads a directory of this kind where none is named.
TokenizerSettings::Class usual_class(TokenizerKind kind);

// The added_tokens of a tokenizer.json with the ids that it gives them.
using NumberedTokens = std::vector<std::pair<std::int64_t, AddedToken>>;

// `json_tokens`: none where there is no tokenizer.json. Throws Error(bad_model).
TokenizerSettings read_tokenizer_settings(const std::filesystem::path& directory,
                                          TokenizerKind kind,
                                          const std::optional<NumberedTokens>& json_tokens);

}  // namespace instructblip
