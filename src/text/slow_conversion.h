// Tokenizers from spiece.model, tokenizer.model or vocab.txt alone, converted as the reference
// does.
#pragma once

#include <filesystem>

#include "text/tokenizer_parts.h"
#include "text/tokenizer_settings.h"

namespace instructblip {

// The settings' named tokens get the flags that the reference's slow classes give them. Throws
// Error: not_found, bad_model, unsupported.
TokenizerParts convert_t5(const std::filesystem::path& file, TokenizerSettings& settings);
TokenizerParts convert_llama(const std::filesystem::path& file, TokenizerSettings& settings);
TokenizerParts convert_bert(const std::filesystem::path& file, TokenizerSettings& settings);

// Stages that files of version 5 leave to the code as well.
constexpr char32_t kVisibleSpace = 0x2581;
PrependScheme prepend_scheme_of(const TokenizerSettings& settings);
std::vector<DecodeStepMaker> llama_decoder(bool strips_first_space);
std::vector<DecodeStepMaker> metaspace_decoder(PrependScheme scheme);
std::vector<DecodeStepMaker> bert_decoder();
PostProcessor wrap(const std::vector<std::int32_t>& before, const std::vector<std::int32_t>& after);

}  // namespace instructblip
