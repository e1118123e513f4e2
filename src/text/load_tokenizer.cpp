#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "core/errors.h"
#include "core/file.h"
#include "core/json.h"
#include "core/limits.h"
#include "core/log.h"
#include "text/slow_conversion.h"
#include "text/slow_llama_tokenizer.h"
#include "text/tokenizer_json.h"
#include "text/tokenizer_settings.h"

namespace instructblip {
namespace {

using Class = TokenizerSettings::Class;

struct SlowClass {
  const char* file;
  TokenizerParts (*convert)(const std::filesystem::path& file, TokenizerSettings& settings);
};

SlowClass slow_class_of(Class tokenizer_class) {
  switch (tokenizer_class) {
    case Class::t5:
      return {"spiece.model", convert_t5};
    case Class::llama:
      return {"tokenizer.model", convert_llama};
    case Class::gpt2:
      return {"vocab.json", convert_gpt2};
    case Class::bert:
    case Class::plain:
      break;
  }
  return {"vocab.txt", convert_bert};
}

TokenizerParts convert(const std::filesystem::path& file, const SlowClass& slow,
                       TokenizerSettings& settings) {
  TokenizerParts parts = slow.convert(file, settings);
  // The slow class copies its tokens, and a copy has every flag set.
  const auto copy = [](TokenSpec& token) {
    if (!token.is_string) token.normalized = token.normalized.value_or(!token.special);
  };
  for (auto& [key, token] : settings.named) copy(token);
  for (TokenSpec& token : settings.more_special) copy(token);
  return parts;
}

NumberedTokens numbered_tokens(const Json& json) {
  NumberedTokens numbered;
  const std::vector<AddedToken> tokens = read_added_tokens(json);
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    numbered.emplace_back(json.at("added_tokens")[i].at("id").integer(), tokens[i]);
  }
  return numbered;
}

// Tokens that the settings call special, each once; only the list of further ones may repeat
// itself.
std::vector<TokenSpec> special_tokens(const TokenizerSettings& settings) {
  std::vector<TokenSpec> tokens;
  std::set<std::string> seen;
  const auto add = [&](const TokenSpec& token) {
    if (seen.insert(token.content).second) tokens.push_back(token);
  };
  for (const auto& [key, token] : settings.named) add(token);
  for (const TokenSpec& token : settings.more_special) {
    if (!seen.contains(token.content)) tokens.push_back(token);
  }
  for (const TokenSpec& token : settings.more_special) seen.insert(token.content);
  for (const TokenSpec& token : settings.model_specific) add(token);
  return tokens;
}

// Registers what tokenizer_config.json knows and the tokenizer does not, and flags it changes.
void add_settings_tokens(const TokenizerSettings& settings, TokenizerParts& parts) {
  const std::vector<TokenSpec> candidates = special_tokens(settings);
  std::set<std::string> known, special;
  for (const auto& [id, token] : parts.added.tokens()) known.insert(token.content);
  for (const auto& [id, token] : settings.added_tokens) known.insert(token.content);
  // In version 5 the list of further ones makes nothing special that was not before.
  TokenizerSettings named = settings;
  if (settings.version5) named.more_special.clear();
  for (const TokenSpec& token : special_tokens(named)) special.insert(token.content);

  std::vector<AddedToken> to_add;
  const auto add = [&](TokenSpec token) {
    token.special = token.special || token.is_string || special.contains(token.content);
    to_add.push_back(token.added());
  };
  for (const auto& [id, token] : settings.added_tokens) add(token);
  for (const TokenSpec& token : candidates) {
    // Version 4 compares tokens that carry flags with mere strings, and so takes all for unknown.
    const bool by_name = token.is_string || settings.version5;
    if (!by_name || !known.contains(token.content)) add(token);
  }
  if (!to_add.empty()) parts.add_tokens(to_add);
}

// A token that texts are built with and that the vocabulary lacks is put behind all others, as the
// reference does it, where the model has learnt something else or nothing: and what comes behind
// it, such as an image token, has another id than config.json says.
void warn_of_missing(const TokenizerSettings& settings, const TokenizerParts& parts,
                     const std::filesystem::path& file) {
  constexpr std::array<std::string_view, 5> kKeys = {"bos_token", "eos_token", "unk_token",
                                                     "cls_token", "sep_token"};
  for (const auto& [key, token] : settings.named) {
    const std::string& content = token.content;
    const bool comes_behind = std::ranges::any_of(settings.added_tokens, [&](const auto& entry) {
      return entry.second.content == content && entry.first >= parts.model->size();
    });
    if (std::ranges::find(kKeys, key) == kKeys.end() || parts.find(token.content) || comes_behind) {
      continue;
    }
    log_warning(
        printable(file.string()) + ": the vocabulary has no " + quote(token.content) + ", the " +
        key +
        " of tokenizer_config.json, which is added behind all its tokens. Is it cut, or the "
        "vocabulary of another model?");
  }
}

std::int32_t require_id(const TokenizerSettings& settings, const TokenizerParts& parts,
                        std::string_view key, const std::filesystem::path& directory) {
  const TokenSpec* token = settings.find_named(key);
  const auto id = token == nullptr ? std::nullopt : parts.find(token->content);
  if (id) return *id;
  throw Error(ErrorCode::bad_model,
              printable((directory / "tokenizer_config.json").string()) + ": expected a " +
                  std::string(key) + ", which is put around every text, " +
                  (token == nullptr
                       ? "got none"
                       : "got " + quote(token->content) + ", which the vocabulary does not have"));
}

// What the constructors of version 4's classes change after all.
void finish_version4(const TokenizerSettings& settings, TokenizerParts& parts,
                     const std::filesystem::path& directory) {
  if (settings.tokenizer_class == Class::llama) {
    std::vector<std::int32_t> before, after;
    if (settings.add_bos) before = {require_id(settings, parts, "bos_token", directory)};
    if (settings.add_eos) after = {require_id(settings, parts, "eos_token", directory)};
    parts.post_processor = wrap(before, after);
  }
  if (settings.tokenizer_class == Class::bert && parts.bert_options) {
    BertNormalizerOptions options = settings.bert;
    options.clean_text = parts.bert_options->clean_text;
    if (options != *parts.bert_options) parts.normalizer = bert_normalizer(options);
  }
  if (parts.byte_level && !settings.add_prefix_space_is_null) {
    parts.byte_level->add_prefix_space =
        settings.add_prefix_space_is_set && settings.add_prefix_space;
    parts.pre_tokenizer = byte_level_pre_tokenizer(*parts.byte_level);
  }
}

// Version 5's classes take vocabulary, merges, rules and post-processor from the file and build the
// rest.
TokenizerParts read_version5(const Json& json, const TokenizerSettings& settings) {
  const Json model = json.at("model");
  const std::string type = model.string_or("type", "");
  TokenizerParts parts;
  if (settings.tokenizer_class == Class::llama && type == "BPE") {
    BpeOptions options;
    options.fuse_unknown = options.byte_fallback = true;
    parts.model = bpe_model(read_vocabulary(model.at("vocab")), read_merges(model.at("merges")),
                            options, model.where());
    parts.pre_tokenizer =
        metaspace_pre_tokenizer({.prepend = prepend_scheme_of(settings), .split = false});
    parts.decoder = llama_decoder(settings.add_prefix_space);
    parts.post_processor = read_post_processor(json);
  } else if (settings.tokenizer_class == Class::t5 && type == "Unigram") {
    const std::vector<ScoredPiece> pieces = read_scored_pieces(model.at("vocab"));
    if (pieces.size() < 3) model.at("vocab").fail("at least 3 pieces");
    parts.model = unigram_model(pieces, /*unknown=*/2, /*byte_fallback=*/false);
    if (const auto map = find_charsmap(json)) {
      parts.normalizer = precompiled_normalizer(*map);
    }
    parts.pre_tokenizer =
        sequence_pre_tokenizer({white_space_split_pre_tokenizer(), metaspace_pre_tokenizer({})});
    parts.decoder = metaspace_decoder(PrependScheme::always);
  } else if (settings.tokenizer_class == Class::bert && type == "WordPiece") {
    parts.model =
        require_unknown(word_piece_model(read_vocabulary(model.at("vocab")),
                                         {.unknown = settings.named_or("unk_token", "[UNK]")}),
                        settings.named_or("unk_token", "[UNK]"), model);
    parts.normalizer = bert_normalizer(settings.bert);
    parts.pre_tokenizer = bert_pre_tokenizer();
    parts.decoder = bert_decoder();
  } else if (settings.tokenizer_class == Class::gpt2 && type == "BPE") {
    parts.model = bpe_model(read_vocabulary(model.at("vocab")), read_merges(model.at("merges")), {},
                            model.where());
    parts.pre_tokenizer = byte_level_pre_tokenizer({.add_prefix_space = settings.add_prefix_space});
    parts.decoder = {byte_level_step()};
    parts.post_processor = read_post_processor(json);
  } else {
    return read_tokenizer_json(json);
  }
  return parts;
}

void finish_version5(const TokenizerSettings& settings, TokenizerParts& parts,
                     const std::filesystem::path& directory) {
  if (settings.tokenizer_class == Class::t5) {
    parts.post_processor = wrap({}, {require_id(settings, parts, "eos_token", directory)});
  } else if (settings.tokenizer_class == Class::bert) {
    parts.post_processor = wrap({require_id(settings, parts, "cls_token", directory)},
                                {require_id(settings, parts, "sep_token", directory)});
  }
}

}  // namespace

std::unique_ptr<const Tokenizer> load_tokenizer(const std::filesystem::path& directory,
                                                TokenizerKind kind, const TokenizerRules& rules) {
  if (rules.slow_llama) {
    const std::filesystem::path model = directory / "tokenizer.model";
    if (is_present(model)) return load_slow_llama(model);
  }
  const std::filesystem::path json_file = directory / "tokenizer.json";
  std::optional<Json> json;
  if (is_present(json_file)) json = Json::read(json_file, {.bytes = limits::kTokenizerBytes});
  std::optional<NumberedTokens> listed;
  if (json) listed = numbered_tokens(*json);
  TokenizerSettings settings = read_tokenizer_settings(directory, kind, listed);
  const Class named = settings.tokenizer_class;
  const SlowClass slow = slow_class_of(named == Class::plain ? usual_class(kind) : named);
  const std::filesystem::path slow_file = directory / slow.file;
  if (!json && !is_present(slow_file)) {
    throw Error(ErrorCode::not_found, printable(directory.string()) +
                                          ": expected a tokenizer.json or a " +
                                          printable(slow_file.filename().string()));
  }
  const bool has_slow_class =
      settings.tokenizer_class == Class::t5 || settings.tokenizer_class == Class::llama;
  const bool from_slow = (settings.add_prefix_space_is_set || settings.from_slow) &&
                         has_slow_class && !settings.version5 && is_present(slow_file);
  TokenizerParts parts = !json || from_slow  ? convert(slow_file, slow, settings)
                         : settings.version5 ? read_version5(*json, settings)
                                             : read_tokenizer_json(*json);
  if (json && kind == TokenizerKind::bert && !settings.version5) check_tokens_around(*json, parts);
  if (settings.split_special_tokens) parts.added.ignore_special();
  warn_of_missing(settings, parts, json && !from_slow ? json_file : slow_file);
  add_settings_tokens(settings, parts);
  if (settings.version5) {
    finish_version5(settings, parts, directory);
  } else {
    finish_version4(settings, parts, directory);
  }
  if (rules.slow_llama) parts.decoder = sentencepiece_decoder();
  const bool spared =
      settings.version5 && parts.model->is_bpe() && !settings.clean_up_spaces_of_bpe;
  parts.clean_up_spaces = rules.clean_up_spaces.value_or(settings.clean_up_spaces && !spared);
  parts.file = json && !from_slow ? json_file : slow_file;
  if (const TokenSpec* eos = settings.find_named("eos_token")) parts.eos = parts.find(eos->content);
  if (!settings.version5) {
    const auto config = read_optional(directory / "tokenizer_config.json");
    const auto& file = from_slow ? std::nullopt : json;
    parts.length = kind == TokenizerKind::bert ? read_own_length(config, file)  // a Q-Former's
                                               : read_text_length(config, file);
  }
  return make_tokenizer(std::move(parts));
}

}  // namespace instructblip
