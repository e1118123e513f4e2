#include "text/tokenizer_settings.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <set>

#include "core/file.h"
#include "core/limits.h"

namespace instructblip {
namespace {

using Class = TokenizerSettings::Class;

// The reference's SPECIAL_TOKENS_ATTRIBUTES without additional_special_tokens.
constexpr std::array<std::string_view, 7> kNamedTokens = {
    "bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"};

TokenSpec token_spec(const Json& value) {
  TokenSpec spec;
  spec.is_string = value.is_string();
  spec.content = spec.is_string ? value.string() : value.at("content").string();
  check_token_length(spec.content, value.where());
  if (spec.is_string) return spec;
  spec.special = value.boolean_or("special", false);
  spec.single_word = value.boolean_or("single_word", false);
  spec.lstrip = value.boolean_or("lstrip", false);
  spec.rstrip = value.boolean_or("rstrip", false);
  if (const auto normalized = value.find("normalized")) spec.normalized = normalized->boolean();
  return spec;
}

TokenSpec token_spec(const AddedToken& token) {
  return {token.content, false,        token.special,   token.single_word,
          token.lstrip,  token.rstrip, token.normalized};
}

Class class_of(const std::optional<Json>& config, TokenizerKind kind) {
  std::string name = config ? config->string_or("tokenizer_class", "") : "";
  if (name.ends_with("Fast")) name.resize(name.size() - 4);
  if (name == "T5Tokenizer") return Class::t5;
  if (name == "LlamaTokenizer") return Class::llama;
  if (name == "BertTokenizer") return Class::bert;
  if (name == "GPT2Tokenizer") return Class::gpt2;
  if (name == "PreTrainedTokenizer" || name == "TokenizersBackend") return Class::plain;
  return usual_class(kind);
}

// The constructor defaults of the reference's classes.
std::vector<std::pair<std::string_view, std::string>> default_tokens(Class tokenizer_class) {
  switch (tokenizer_class) {
    case Class::t5:
      return {{"eos_token", "</s>"}, {"unk_token", "<unk>"}, {"pad_token", "<pad>"}};
    case Class::llama:
      return {{"unk_token", "<unk>"}, {"bos_token", "<s>"}, {"eos_token", "</s>"}};
    case Class::bert:
      return {{"unk_token", "[UNK]"},
              {"sep_token", "[SEP]"},
              {"pad_token", "[PAD]"},
              {"cls_token", "[CLS]"},
              {"mask_token", "[MASK]"}};
    case Class::gpt2:
      return {{"unk_token", "<|endoftext|>"},
              {"bos_token", "<|endoftext|>"},
              {"eos_token", "<|endoftext|>"}};
    case Class::plain:
      return {};
  }
  return {};
}

// Reads the files in the order in which later ones overrule earlier ones.
class SettingsReader {
 public:
  SettingsReader(std::filesystem::path directory, TokenizerKind kind)
      : directory_(std::move(directory)),
        config_(read_optional(directory_ / "tokenizer_config.json")) {
    settings_.tokenizer_class = class_of(config_, kind);
    if (settings_.tokenizer_class == Class::gpt2) {
      settings_.add_bos = settings_.add_prefix_space = false;
    }
    settings_.version5 =
        config_ && (config_->contains("backend") ||
                    config_->string_or("tokenizer_class", "") == "TokenizersBackend");
    for (const auto& [key, token] : default_tokens(settings_.tokenizer_class)) {
      tokens_[std::string(key)] = TokenSpec{.content = token};
    }
  }

  TokenizerSettings read(const std::optional<NumberedTokens>& json_tokens) {
    if (config_) read_config(*config_);
    if (!has_decoder_) read_older_files(json_tokens.value_or(NumberedTokens()));
    // A named token takes the flags with which it is listed.
    for (auto& [key, token] : tokens_) {
      if (!token) continue;
      const auto listed = by_content_.find(token->content);
      if (listed != by_content_.end()) token = listed->second;
    }
    finish(json_tokens.has_value());
    return std::move(settings_);
  }

 private:
  void read_config(const Json& config) {
    for (const auto& [key, value] : config.members()) read_token(key, value);
    const bool is_bert = settings_.tokenizer_class == Class::bert;
    // The slow BERT tokenizer's default differs; finish() decides whether it counts.
    settings_.clean_up_spaces = config.boolean_or("clean_up_tokenization_spaces", false);
    settings_.clean_up_spaces_of_bpe = config.boolean_or(
        "clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output", false);
    has_clean_up_ = config.contains("clean_up_tokenization_spaces");
    settings_.split_special_tokens = config.boolean_or("split_special_tokens", false);
    settings_.from_slow = config.boolean_or("from_slow", false);
    settings_.legacy = config.boolean_or("legacy", !settings_.version5);
    // Null is not the default here, but false.
    const auto unless_null = [&](std::string_view key, bool fallback) {
      return config.boolean_or(key, !config.contains(key) && fallback);
    };
    settings_.add_bos = unless_null("add_bos_token", settings_.add_bos);
    settings_.add_eos = config.boolean_or("add_eos_token", false);
    settings_.add_prefix_space_is_set = config.find("add_prefix_space").has_value();
    settings_.add_prefix_space_is_null =
        config.contains("add_prefix_space") && !settings_.add_prefix_space_is_set;
    const bool absent = settings_.add_prefix_space;
    settings_.add_prefix_space = settings_.version5 ? config.boolean_or("add_prefix_space", absent)
                                                    : unless_null("add_prefix_space", absent);
    settings_.extra_ids =
        static_cast<std::int32_t>(config.integer_or("extra_ids", 100, 0, limits::kSize - 1));
    if (!is_bert) return;
    settings_.basic_tokenize = unless_null("do_basic_tokenize", true);
    settings_.bert.lowercase = config.boolean_or("do_lower_case", true);
    settings_.bert.handle_chinese_chars = config.boolean_or("tokenize_chinese_chars", true);
    if (const auto strip = config.find("strip_accents")) {
      settings_.bert.strip_accents = strip->boolean();
    }
  }

  void read_token(const std::string& key, const Json& value) {
    if (std::ranges::find(kNamedTokens, key) != kNamedTokens.end()) {
      if (value.is_null()) {
        tokens_[key].reset();
      } else {
        tokens_[key] = token_spec(value);
      }
    } else if (key == "added_tokens_decoder" && value.is_object()) {
      has_decoder_ = true;
      for (const auto& [id, token] : value.members()) read_listed(id, token);
    } else if (key == "additional_special_tokens" && value.is_array()) {
      has_additional_ = true;
      for (const Json& token : value.elements()) {
        settings_.more_special.push_back(token_spec(token));
      }
    } else if (key == "extra_special_tokens" && value.is_array()) {
      has_additional_ = true;
      for (const Json& token : value.elements()) {
        settings_.more_special.push_back(token_spec(token));
      }
    } else if ((key == "extra_special_tokens" || key == "model_specific_special_tokens") &&
               value.is_object()) {
      for (const auto& [name, token] : value.members()) extra_[name] = token_spec(token);
    } else if (settings_.version5 && key.ends_with("_token") && value.is_string()) {
      extra_[key] = token_spec(value);
    }
  }

  void read_listed(const std::string& id, const Json& token) {
    std::int64_t number = -1;
    const auto [end, error] = std::from_chars(id.data(), id.data() + id.size(), number);
    if (error != std::errc() || end != id.data() + id.size() || number < 0 ||
        number >= limits::kSize || !token.is_object()) {
      token.fail("a token under an id below " + std::to_string(limits::kSize));
    }
    TokenSpec spec = token_spec(token);
    spec.is_string = false;
    settings_.added_tokens[number] = spec;
    by_content_[spec.content] = spec;
  }

  // From before tokenizer_config.json listed the added tokens.
  void read_older_files(const NumberedTokens& json_tokens) {
    if (const auto map = read_optional(directory_ / "special_tokens_map.json")) {
      for (const auto& [key, value] : map->members()) {
        if (value.is_object() && value.contains("content")) {
          tokens_[key] = token_spec(value);
          tokens_[key]->special = true;
        } else if (value.is_array()) {
          has_additional_ = true;
          for (const Json& token : value.elements()) {
            TokenSpec spec = token_spec(token);
            spec.special = !spec.is_string;
            if (std::ranges::find(settings_.more_special, spec) == settings_.more_special.end()) {
              settings_.more_special.push_back(spec);
            }
          }
        } else {
          read_token(key, value);
        }
      }
    }
    if (const auto added = read_optional(directory_ / "added_tokens.json")) read_added(*added);
    for (const auto& [id, token] : json_tokens) {
      settings_.added_tokens[id] = by_content_[token.content] = token_spec(token);
    }
  }

  void read_added(const Json& added) {
    std::set<std::string> special;
    for (const auto& [key, token] : tokens_) {
      if (token) special.insert(token->content);
    }
    for (const TokenSpec& token : settings_.more_special) special.insert(token.content);
    for (const auto& [content, id] : added.members()) {
      check_token_length(content, added.where());
      TokenSpec spec{.content = content, .is_string = false};
      spec.special = special.contains(content);
      spec.normalized = !spec.special;
      settings_.added_tokens[id.integer(0, limits::kSize - 1)] = spec;
      // Version 4 looks them up under a wrong name, so that named tokens keep their own flags.
      if (settings_.version5) by_content_[content] = spec;
    }
  }

  void finish(bool has_json) {
    for (const std::string_view key : kNamedTokens) {
      const auto token = tokens_.find(std::string(key));
      if (token != tokens_.end() && token->second && !token->second->content.empty()) {
        settings_.named.emplace_back(key, *token->second);
      }
    }
    if (settings_.tokenizer_class == Class::t5) add_sentinels();
    for (const auto& [name, token] : extra_) settings_.model_specific.push_back(token);
    if (settings_.tokenizer_class == Class::bert && !has_json && !has_clean_up_) {
      settings_.clean_up_spaces = true;
    }
  }

  // T5's <extra_id_0>, ...: all of them unless some are listed.
  void add_sentinels() {
    const bool listed = std::ranges::any_of(settings_.more_special, [](const TokenSpec& token) {
      return token.content.find("<extra_id_") != std::string::npos;
    });
    if (listed || (settings_.version5 && has_additional_)) return;
    for (std::int32_t i = 0; i < settings_.extra_ids; ++i) {
      settings_.more_special.push_back({.content = "<extra_id_" + std::to_string(i) + ">"});
    }
  }

  std::filesystem::path directory_;
  std::optional<Json> config_;
  TokenizerSettings settings_;
  std::map<std::string, std::optional<TokenSpec>> tokens_;
  std::map<std::string, TokenSpec> extra_;
  std::map<std::string, TokenSpec> by_content_;  // the tokens that are listed with flags
  bool has_decoder_ = false, has_additional_ = false, has_clean_up_ = false;
};

}  // namespace

TokenizerSettings::Class usual_class(TokenizerKind kind) {
  switch (kind) {
    case TokenizerKind::t5:
      return Class::t5;
    case TokenizerKind::llama:
      return Class::llama;
    case TokenizerKind::bert:
      return Class::bert;
    case TokenizerKind::gpt2:
      return Class::gpt2;
  }
  return Class::plain;
}

const TokenSpec* TokenizerSettings::find_named(std::string_view key) const {
  const auto found = std::ranges::find(named, key, [](const auto& entry) { return entry.first; });
  return found == named.end() ? nullptr : &found->second;
}

std::string TokenizerSettings::named_or(std::string_view key, std::string fallback) const {
  const TokenSpec* token = find_named(key);
  return token == nullptr ? fallback : token->content;
}

std::optional<Json> read_optional(const std::filesystem::path& file) {
  if (!is_present(file)) return {};
  Json json = Json::read(file);
  if (!json.is_object()) json.fail("an object");
  return json;
}

TokenizerSettings read_tokenizer_settings(const std::filesystem::path& directory,
                                          TokenizerKind kind,
                                          const std::optional<NumberedTokens>& json_tokens) {
  return SettingsReader(directory, kind).read(json_tokens);
}

}  // namespace instructblip
