// tokenizer.json, as the reference's tokenizers library writes it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/json.h"
#include "text/added_tokens.h"
#include "text/charsmap.h"
#include "text/tokenizer_parts.h"

namespace instructblip {

// Everything that the file says. Throws Error: bad_model, or unsupported for a stage that is not
// known here.
TokenizerParts read_tokenizer_json(const Json& file);

// Its parts, for callers that replace some of them.
TokenModelPtr read_model(const Json& model);
// `words`, whose vocabulary has what stands for any word that it lacks. Throws Error(bad_model).
TokenModelPtr require_unknown(TokenModelPtr words, const std::string& unknown, const Json& model);
std::vector<AddedToken> read_added_tokens(const Json& file);
PostProcessor read_post_processor(const Json& file);

// Throws Error(bad_model) where `file` puts a token around every text which the vocabulary does not
// have, or has under another id: [CLS] and [SEP] of a BERT model.
void check_tokens_around(const Json& file, const TokenizerParts& parts);

// A null or missing stage: null, or no steps but joining with spaces.
NormalizerPtr read_normalizer(const Json& file, TokenizerParts& parts);
PreTokenizerPtr read_pre_tokenizer(const Json& file, TokenizerParts& parts);
std::vector<DecodeStepMaker> read_decoder(const Json& file);

// The rules of the first Precompiled normalizer that is not nested deeper than one sequence.
std::optional<Charsmap> find_charsmap(const Json& file);

// The pieces of a model that lists them with scores.
std::vector<ScoredPiece> read_scored_pieces(const Json& vocab);
// Token to id, or a list in the order of ids.
Vocabulary read_vocabulary(const Json& vocab);
// Pairs, or strings with one space.
std::vector<Merge> read_merges(const Json& merges);

// Throws Error(unsupported), naming the stage.
[[noreturn]] void refuse_stage(const Json& stage, const std::string& kind);

}  // namespace instructblip
