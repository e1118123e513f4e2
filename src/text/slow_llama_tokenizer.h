// The tokenizer that LAVIS gives Vicuna: transformers' slow class for LLaMA, which encodes and
// decodes with the SentencePiece library.
#pragma once

#include <filesystem>
#include <memory>

#include "text/tokenizer.h"

namespace instructblip {

// `file`: tokenizer.model. No other file of its directory counts: LAVIS's own code names the
// special tokens. Throws Error: not_found, bad_model, unsupported.
std::unique_ptr<const Tokenizer> load_slow_llama(const std::filesystem::path& file);

}  // namespace instructblip
