// The stages that every tokenizer here is made of, as read from files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "text/added_tokens.h"
#include "text/byte_level.h"
#include "text/decoders.h"
#include "text/normalizers.h"
#include "text/post_processors.h"
#include "text/pre_tokenizers.h"
#include "text/token_model.h"
#include "text/tokenizer.h"

namespace instructblip {

struct TokenizerParts {
  AddedTokens added;
  NormalizerPtr normalizer;       // null: none
  PreTokenizerPtr pre_tokenizer;  // null: none
  TokenModelPtr model;
  PostProcessor post_processor;
  std::vector<DecodeStepMaker> decoder;
  bool clean_up_spaces = false;
  std::optional<std::int32_t> eos;
  std::filesystem::path file;  // that lists the tokens
  TextLength length;

  // Where options of tokenizer_config.json have to be compared with the file's.
  std::optional<BertNormalizerOptions> bert_options;
  std::optional<ByteLevelOptions> byte_level;

  void add_tokens(const std::vector<AddedToken>& tokens) {
    added.add(tokens, *model, normalizer.get());
  }
  std::optional<std::int32_t> find(std::string_view token) const {
    const auto id = added.find(token);
    return id ? id : model->vocabulary().find(token);
  }
};

std::unique_ptr<const Tokenizer> make_tokenizer(TokenizerParts parts);

}  // namespace instructblip
