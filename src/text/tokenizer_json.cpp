#include "text/tokenizer_json.h"

#include <algorithm>
#include <utility>

#include "core/errors.h"
#include "core/limits.h"

namespace instructblip {
namespace {

constexpr std::int64_t kLastId = limits::kSize - 1;

std::int32_t id_of(const Json& value) {
  return static_cast<std::int32_t>(value.integer(0, kLastId));
}

std::optional<std::int32_t> optional_id(const Json& object, std::string_view key) {
  const auto value = object.find(key);
  return value ? std::optional(id_of(*value)) : std::nullopt;
}

TokenModelPtr read_unigram(const Json& model) {
  const std::vector<ScoredPiece> pieces = read_scored_pieces(model.at("vocab"));
  const auto unknown = optional_id(model, "unk_id");
  if (unknown && static_cast<std::size_t>(*unknown) >= pieces.size()) {
    model.at("unk_id").fail("an id below " + std::to_string(pieces.size()));
  }
  return unigram_model(pieces, unknown, model.boolean_or("byte_fallback", false));
}

TokenModelPtr read_bpe(const Json& model) {
  if (model.number_or("dropout", 0) != 0) {
    throw Error(ErrorCode::unsupported, model.where() + ": BPE with dropout is not deterministic");
  }
  BpeOptions options;
  if (const auto unknown = model.find("unk_token")) options.unknown = unknown->string();
  options.continuing_prefix = model.string_or("continuing_subword_prefix", "");
  options.word_suffix = model.string_or("end_of_word_suffix", "");
  options.fuse_unknown = model.boolean_or("fuse_unk", false);
  options.byte_fallback = model.boolean_or("byte_fallback", false);
  options.ignore_merges = model.boolean_or("ignore_merges", false);
  return bpe_model(read_vocabulary(model.at("vocab")), read_merges(model.at("merges")), options,
                   model.where());
}

TokenModelPtr read_word_piece(const Json& model) {
  WordPieceOptions options;
  options.unknown = model.string_or("unk_token", options.unknown);
  options.continuing_prefix =
      model.string_or("continuing_subword_prefix", options.continuing_prefix);
  options.longest_word = static_cast<std::size_t>(
      model.integer_or("max_input_chars_per_word", 100, 0, limits::kInstructionBytes));
  return require_unknown(word_piece_model(read_vocabulary(model.at("vocab")), options),
                         options.unknown, model);
}

// Files without "type" are told apart as the reference does: by what they must have.
std::string model_type(const Json& model) {
  if (const auto type = model.find("type")) return type->string();
  if (model.contains("merges")) return "BPE";
  return model.at("vocab").is_array() ? "Unigram" : "WordPiece";
}

Template read_template(const Json& processor) {
  const auto special = processor.find("special_tokens");
  Template items;
  for (const Json& piece : processor.at("single").elements()) {
    if (const auto sequence = piece.find("Sequence")) {
      if (sequence->at("id").string() != "A") sequence->at("id").fail("\"A\" in a single template");
      items.push_back({.is_text = true, .ids = {}});
      continue;
    }
    const std::string name = piece.at("SpecialToken").at("id").string();
    const auto token = special ? special->find(name) : std::nullopt;
    if (!token) piece.fail("a token that special_tokens defines");
    TemplateItem item;
    for (const Json& id : token->at("ids").elements()) item.ids.push_back(id_of(id));
    items.push_back(std::move(item));
  }
  return items;
}

TemplateItem token_and_id(const Json& pair) {
  if (!pair.is_array() || pair.size() != 2) pair.fail("a token and its id");
  return {.is_text = false, .ids = {id_of(pair[1])}};
}

void append_processor(const Json& processor, PostProcessor& out) {
  const std::string type = processor.at("type").string();
  if (type == "Sequence") {
    for (const Json& part : processor.at("processors").elements()) append_processor(part, out);
  } else if (type == "TemplateProcessing") {
    out.push_back(read_template(processor));
  } else if (type == "BertProcessing" || type == "RobertaProcessing") {
    out.push_back({token_and_id(processor.at("cls")),
                   {.is_text = true, .ids = {}},
                   token_and_id(processor.at("sep"))});
  } else if (type != "ByteLevel") {  // which only moves offsets
    refuse_stage(processor, "post-processor");
  }
}

void check_token_around(const Json& place, const std::string& token, std::int32_t id,
                        const TokenizerParts& parts) {
  const auto known = parts.find(token);
  if (known == id) return;
  throw Error(ErrorCode::bad_model,
              place.where() + ": " + quote(token) + ", which is put around every text, is token " +
                  std::to_string(id) + " here, but " +
                  (known ? "token " + std::to_string(*known) : std::string("missing")) +
                  " in the vocabulary",
              "is this the whole vocabulary of a BERT model?");
}

void check_processor(const Json& processor, const TokenizerParts& parts) {
  const std::string type = processor.at("type").string();
  if (type == "Sequence") {
    for (const Json& part : processor.at("processors").elements()) check_processor(part, parts);
  } else if (type == "BertProcessing" || type == "RobertaProcessing") {
    for (const char* key : {"cls", "sep"}) {
      const Json pair = processor.at(key);
      check_token_around(pair, pair[0].string(), id_of(pair[1]), parts);
    }
  } else if (type == "TemplateProcessing") {
    for (const Json& piece : processor.at("single").elements()) {
      const auto named = piece.find("SpecialToken");
      if (!named) continue;
      const Json token = processor.at("special_tokens").at(named->at("id").string());
      const auto names = token.find("tokens");
      const std::vector<Json> ids = token.at("ids").elements();
      for (std::size_t i = 0; names && i < std::min(names->size(), ids.size()); ++i) {
        check_token_around(token, (*names)[i].string(), id_of(ids[i]), parts);
      }
    }
  }
}

}  // namespace

void check_tokens_around(const Json& file, const TokenizerParts& parts) {
  if (const auto processor = file.find("post_processor")) check_processor(*processor, parts);
}

void refuse_stage(const Json& stage, const std::string& kind) {
  throw Error(ErrorCode::unsupported, stage.where() + ": the " + kind + " " +
                                          quote(stage.at("type").string()) + " is not known here");
}

std::vector<ScoredPiece> read_scored_pieces(const Json& vocab) {
  if (!vocab.is_array() || vocab.size() == 0 || vocab.size() > limits::kSize) {
    vocab.fail("between 1 and " + std::to_string(limits::kSize) + " pieces with scores");
  }
  std::vector<ScoredPiece> pieces;
  pieces.reserve(vocab.size());
  for (const Json& entry : vocab.elements()) {
    if (!entry.is_array() || entry.size() != 2) entry.fail("a piece and its score");
    pieces.push_back({entry[0].string(), entry[1].number()});
    check_token_length(pieces.back().piece, entry.where());
  }
  return pieces;
}

Vocabulary read_vocabulary(const Json& vocab) {
  Vocabulary vocabulary;
  if (vocab.is_array()) {
    for (const ScoredPiece& piece : read_scored_pieces(vocab)) {
      vocabulary.set(piece.piece, vocabulary.end());
    }
    return vocabulary;
  }
  if (!vocab.is_object() || vocab.size() > limits::kSize) {
    vocab.fail("an object of at most " + std::to_string(limits::kSize) + " tokens");
  }
  for (const auto& [token, value] : vocab.members()) {
    const std::int32_t id = id_of(value);
    if (const std::string* other = vocabulary.token(id)) {
      value.fail("an id of its own, not that of " + quote(*other));
    }
    check_token_length(token, vocab.where());
    vocabulary.set(token, id);
  }
  return vocabulary;
}

std::vector<Merge> read_merges(const Json& merges) {
  std::vector<Merge> pairs;
  pairs.reserve(merges.size());
  for (const Json& merge : merges.elements()) {
    if (merge.is_array() && merge.size() == 2) {
      pairs.emplace_back(merge[0].string(), merge[1].string());
      continue;
    }
    const std::string text = merge.string();
    const std::size_t space = text.find(' ');
    if (text.starts_with("#version")) continue;
    if (space == std::string::npos || text.find(' ', space + 1) != std::string::npos) {
      merge.fail("two tokens");
    }
    pairs.emplace_back(text.substr(0, space), text.substr(space + 1));
  }
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    if (pairs[i].first.empty() || pairs[i].second.empty()) {
      merges[i].fail("two tokens that are not empty");
    }
  }
  return pairs;
}

TokenModelPtr require_unknown(TokenModelPtr words, const std::string& unknown, const Json& model) {
  if (words->vocabulary().find(unknown)) return words;
  throw Error(ErrorCode::bad_model,
              model.where("vocab") + ": expected the unk_token " + quote(unknown) +
                  ", which stands for every word that the vocabulary lacks",
              "is this the whole vocabulary of a BERT model?");
}

TokenModelPtr read_model(const Json& model) {
  const std::string type = model_type(model);
  if (type == "Unigram") return read_unigram(model);
  if (type == "BPE") return read_bpe(model);
  if (type == "WordPiece") return read_word_piece(model);
  refuse_stage(model, "model");
}

std::vector<AddedToken> read_added_tokens(const Json& file) {
  std::vector<AddedToken> tokens;
  const auto list = file.find("added_tokens");
  if (!list) return tokens;
  for (const Json& entry : list->elements()) {
    id_of(entry.at("id"));  // must be one, but the order of the list decides
    tokens.push_back({.content = entry.at("content").string(),
                      .single_word = entry.boolean_or("single_word", false),
                      .lstrip = entry.boolean_or("lstrip", false),
                      .rstrip = entry.boolean_or("rstrip", false),
                      .normalized = entry.boolean_or("normalized", true),
                      .special = entry.boolean_or("special", false)});
    check_token_length(tokens.back().content, entry.where());
  }
  return tokens;
}

PostProcessor read_post_processor(const Json& file) {
  PostProcessor processor;
  if (const auto stage = file.find("post_processor")) append_processor(*stage, processor);
  return processor;
}

TokenizerParts read_tokenizer_json(const Json& file) {
  TokenizerParts parts;
  const std::string version = file.string_or("version", "1.0");
  if (version != "1.0") {
    throw Error(ErrorCode::unsupported,
                file.at("version").where() + ": expected \"1.0\", got " + quote(version));
  }
  parts.model = read_model(file.at("model"));
  parts.normalizer = read_normalizer(file, parts);
  parts.pre_tokenizer = read_pre_tokenizer(file, parts);
  parts.post_processor = read_post_processor(file);
  parts.decoder = read_decoder(file);
  parts.add_tokens(read_added_tokens(file));
  return parts;
}

}  // namespace instructblip
