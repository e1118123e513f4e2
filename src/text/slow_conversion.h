// Tokenizers from spiece.model, tokenizer.model, vocab.txt or vocab.json alone, converted as the
// reference does.
#pragma once

#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer_parts.h"
#include "text/tokenizer_settings.h"

namespace instructblip {

// The settings' named tokens get the flags that the reference's slow classes give them. Throws
// Error: not_found, bad_model, unsupported.
TokenizerParts convert_t5(const std::filesystem::path& file, TokenizerSettings& settings);
TokenizerParts convert_llama(const std::filesystem::path& file, TokenizerSettings& settings);
TokenizerParts convert_bert(const std::filesystem::path& file, TokenizerSettings& settings);
// `file`: vocab.json, with merges.txt beside it.
TokenizerParts convert_gpt2(const std::filesystem::path& file, TokenizerSettings& settings);

// Stages that files of version 5 leave to the code as well.
constexpr char32_t kVisibleSpace = 0x2581;
PrependScheme prepend_scheme_of(const TokenizerSettings& settings);
std::vector<DecodeStepMaker> llama_decoder(bool strips_first_space);
// As sentencepiece's own decode() makes text, behind transformers' slow tokenizer of LLaMA.
std::vector<DecodeStepMaker> sentencepiece_decoder();
std::vector<DecodeStepMaker> metaspace_decoder(PrependScheme scheme);
std::vector<DecodeStepMaker> bert_decoder();

// Gives flags to the named tokens under `keys` that the files give as mere strings.
void name_as_special(TokenizerSettings& settings, std::initializer_list<std::string_view> keys,
                     std::optional<bool> normalized = std::nullopt);
// The id that the reference's slow class gives a token.
std::int32_t slow_id(const TokenizerSettings& settings, const TokenModel& model,
                     const std::string& token, std::int32_t unknown);

PostProcessor wrap(const std::vector<std::int32_t>& before, const std::vector<std::int32_t>& after);

}  // namespace instructblip
