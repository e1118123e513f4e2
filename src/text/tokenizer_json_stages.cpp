#include <utility>

#include "core/errors.h"
#include "core/limits.h"
#include "core/utf8.h"
#include "text/byte_level.h"
#include "text/charsmap.h"
#include "text/tokenizer_json.h"

namespace instructblip {
namespace {

std::string type_of(const Json& stage) { return stage.at("type").string(); }

char32_t single_code(const Json& value) {
  const std::u32string codes = utf8::to_utf32(value.string());
  if (codes.size() != 1) value.fail("one character");
  return codes.front();
}

// {"String": ...} or {"Regex": ...}
Pattern pattern_of(const Json& stage) {
  const Json pattern = stage.at("pattern");
  if (const auto regex = pattern.find("Regex")) {
    return Pattern::regex(regex->string(), regex->where());
  }
  const Json text = pattern.at("String");
  if (text.string().empty()) text.fail("a text that is not empty");
  return Pattern::literal(utf8::to_utf32(text.string()));
}

Charsmap read_charsmap(const Json& stage) {
  const Json map = stage.at("precompiled_charsmap");
  return Charsmap::parse(decode_base64(map.string(), map.where()), map.where());
}

std::vector<NormalizerPtr> read_normalizers(const Json& list, TokenizerParts& parts);

NormalizerPtr bert_stage(const Json& stage, TokenizerParts& parts) {
  BertNormalizerOptions options;
  options.clean_text = stage.boolean_or("clean_text", true);
  options.handle_chinese_chars = stage.boolean_or("handle_chinese_chars", true);
  options.lowercase = stage.boolean_or("lowercase", true);
  if (const auto strip = stage.find("strip_accents")) options.strip_accents = strip->boolean();
  parts.bert_options = options;
  return bert_normalizer(options);
}

NormalizerPtr read_normalizer_stage(const Json& stage, TokenizerParts& parts) {
  const std::string type = type_of(stage);
  if (type == "Sequence") {
    return sequence_normalizer(read_normalizers(stage.at("normalizers"), parts));
  }
  if (type == "BertNormalizer") return bert_stage(stage, parts);
  if (type == "Prepend") return prepend_normalizer(utf8::to_utf32(stage.at("prepend").string()));
  if (type == "Replace") {
    return replace_normalizer(pattern_of(stage), utf8::to_utf32(stage.at("content").string()));
  }
  if (type == "Precompiled") return precompiled_normalizer(read_charsmap(stage));
  if (type == "Strip") {
    return strip_normalizer(stage.boolean_or("strip_left", true),
                            stage.boolean_or("strip_right", true));
  }
  if (type == "StripAccents") return strip_accents_normalizer();
  if (type == "Lowercase") return lowercase_normalizer();
  if (type == "NFD") return nfd_normalizer();
  if (type == "Nmt") return nmt_normalizer();
  refuse_stage(stage, "normalizer");
}

std::vector<NormalizerPtr> read_normalizers(const Json& list, TokenizerParts& parts) {
  std::vector<NormalizerPtr> normalizers;
  for (const Json& stage : list.elements()) {
    normalizers.push_back(read_normalizer_stage(stage, parts));
  }
  // The reference compares its options only where this is the one normalizer.
  parts.bert_options.reset();
  return normalizers;
}

PrependScheme prepend_scheme(const Json& stage) {
  const std::string scheme = stage.string_or("prepend_scheme", "always");
  if (scheme != "always" && scheme != "first" && scheme != "never") {
    stage.at("prepend_scheme").fail("\"always\", \"first\" or \"never\"");
  }
  // Files from before there were schemes.
  if (!stage.boolean_or("add_prefix_space", true) || scheme == "never") return PrependScheme::never;
  return scheme == "always" ? PrependScheme::always : PrependScheme::first;
}

SplitBehavior split_behavior(const Json& stage) {
  const std::string name = stage.string_or("behavior", "Isolated");
  if (name == "Removed") return SplitBehavior::removed;
  if (name == "Isolated") return SplitBehavior::isolated;
  if (name == "MergedWithPrevious") return SplitBehavior::merged_with_previous;
  if (name == "MergedWithNext") return SplitBehavior::merged_with_next;
  if (name == "Contiguous") return SplitBehavior::contiguous;
  stage.at("behavior").fail("Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous");
}

ByteLevelOptions byte_level_options(const Json& stage) {
  return {.add_prefix_space = stage.boolean_or("add_prefix_space", true),
          .split_words = stage.boolean_or("use_regex", true)};
}

PreTokenizerPtr read_pre_tokenizer_stage(const Json& stage) {
  const std::string type = type_of(stage);
  if (type == "Sequence") {
    std::vector<PreTokenizerPtr> parts;
    for (const Json& part : stage.at("pretokenizers").elements()) {
      parts.push_back(read_pre_tokenizer_stage(part));
    }
    return sequence_pre_tokenizer(std::move(parts));
  }
  if (type == "Metaspace") {
    return metaspace_pre_tokenizer({.replacement = single_code(stage.at("replacement")),
                                    .prepend = prepend_scheme(stage),
                                    .split = stage.boolean_or("split", true)});
  }
  if (type == "ByteLevel") return byte_level_pre_tokenizer(byte_level_options(stage));
  if (type == "WhitespaceSplit") return white_space_split_pre_tokenizer();
  if (type == "Whitespace") return white_space_pre_tokenizer();
  if (type == "BertPreTokenizer") return bert_pre_tokenizer();
  if (type == "Punctuation") return punctuation_pre_tokenizer(split_behavior(stage));
  if (type == "Digits") return digits_pre_tokenizer(stage.boolean_or("individual_digits", false));
  if (type == "Split") {
    return split_pre_tokenizer(pattern_of(stage), split_behavior(stage),
                               stage.boolean_or("invert", false));
  }
  refuse_stage(stage, "pre-tokenizer");
}

// Reads a chain of decoders, which may turn the tokens into one text on the way.
class DecoderReader {
 public:
  void read(const Json& stage) {
    const std::string type = type_of(stage);
    if (type == "Sequence") {
      for (const Json& part : stage.at("decoders").elements()) read(part);
    } else if (type == "Fuse") {
      fused_ = true;
    } else if (type == "Strip") {
      read_strip(stage);
    } else {
      gather();
      read_token_step(stage, type);
    }
  }
  std::vector<DecodeStepMaker> take() { return std::move(steps_); }

 private:
  void read_token_step(const Json& stage, const std::string& type) {
    if (type == "Replace") {
      // Expressions occur in normalizers only.
      const Json pattern = stage.at("pattern").at("String");
      const ReplaceRule rule{pattern.string(), stage.at("content").string()};
      if (rule.pattern.empty()) pattern.fail("a text that is not empty");
      steps_.push_back(replace_step(rule));
    } else if (type == "ByteFallback") {
      steps_.push_back(byte_fallback_step());
    } else if (type == "ByteLevel") {
      steps_.push_back(byte_level_step());
      fused_ = true;
    } else if (type == "Metaspace") {
      const char32_t space = single_code(stage.at("replacement"));
      steps_.push_back(metaspace_step(space, prepend_scheme(stage)));
    } else if (type == "WordPiece") {
      steps_.push_back(
          word_piece_step(stage.at("prefix").string(), stage.boolean_or("cleanup", true)));
    } else {
      refuse_stage(stage, "decoder");
    }
  }

  void read_strip(const Json& stage) {
    const auto count = [&](std::string_view key) {
      return static_cast<std::size_t>(stage.integer_or(key, 0, 0, limits::kSize));
    };
    const char32_t code = single_code(stage.at("content"));
    if (fused_ && !gathered_ && count("stop") == 0) {
      steps_.push_back(strip_text_start_step(code, count("start")));
      return;
    }
    gather();
    steps_.push_back(strip_step(code, count("start"), count("stop")));
  }

  // What follows needs the fused text whole, and so cannot be streamed.
  void gather() {
    if (!fused_ || gathered_) return;
    steps_.push_back(gather_step());
    gathered_ = true;
  }

  std::vector<DecodeStepMaker> steps_;
  bool fused_ = false, gathered_ = false;
};

}  // namespace

NormalizerPtr read_normalizer(const Json& file, TokenizerParts& parts) {
  const auto stage = file.find("normalizer");
  return stage ? read_normalizer_stage(*stage, parts) : nullptr;
}

std::optional<Charsmap> find_charsmap(const Json& file) {
  const auto stage = file.find("normalizer");
  if (!stage) return std::nullopt;
  const auto is_precompiled = [](const Json& part) { return type_of(part) == "Precompiled"; };
  if (is_precompiled(*stage)) return read_charsmap(*stage);
  if (type_of(*stage) != "Sequence") return std::nullopt;
  for (const Json& part : stage->at("normalizers").elements()) {
    if (is_precompiled(part)) return read_charsmap(part);
  }
  return std::nullopt;
}

PreTokenizerPtr read_pre_tokenizer(const Json& file, TokenizerParts& parts) {
  const auto stage = file.find("pre_tokenizer");
  if (!stage) return nullptr;
  if (type_of(*stage) == "ByteLevel") parts.byte_level = byte_level_options(*stage);
  return read_pre_tokenizer_stage(*stage);
}

std::vector<DecodeStepMaker> read_decoder(const Json& file) {
  const auto stage = file.find("decoder");
  if (!stage) return {join_step(" ")};
  DecoderReader reader;
  reader.read(*stage);
  return reader.take();
}

}  // namespace instructblip
