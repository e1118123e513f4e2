// text_config of config.json: the language model, and the generation settings that came with it.
#pragma once

#include "config/config_section.h"
#include "config/model_config.h"

namespace instructblip {

// Which release of transformers wrote config.json decides how some keys are meant.
enum class Writer { transformers_4, transformers_5 };

struct TextConfig {
  LanguageConfig model;
  TextGenerationDefaults generation;
  std::int64_t vocabulary;
};

Writer writer_of(const ConfigSection& root);

// `fallback` is the model_type that a missing key means.
TextConfig read_text_config(const ConfigSection& text, Writer writer, const std::string& fallback);

// The ids that the reference's config class gives to keys that are missing.
struct TokenDefaults {
  std::optional<std::int32_t> eos;
  std::optional<std::int32_t> bos;
  std::optional<std::int32_t> pad;
};

// The generation keys of a text_config whose vocabulary has `vocabulary` rows, as
// GenerationConfig.from_model_config takes them over. End tokens that have no row are left out; the
// first token and the padding may be ids without one, since mostly nothing looks them up. Throws
// Error(unsupported) for a key that would change the tokens and that is not run here.
TextGenerationDefaults read_generation_defaults(const ConfigSection& text,
                                                const TokenDefaults& defaults,
                                                std::int64_t vocabulary, Writer writer);

// The same of a section that GenerationConfig reads itself, which has no defaults of its own and
// takes every key whoever wrote it.
TextGenerationDefaults read_plain_generation(const ConfigSection& section, std::int64_t vocabulary);

// The id of a token that is looked up in a table of `vocabulary` rows; none for null and for a
// missing key. Any other id is Error(bad_model).
std::optional<std::int32_t> read_looked_up_id(const ConfigSection& section, std::string_view key,
                                              std::int64_t vocabulary);

// The padding of a table that the reference makes with nn.Embedding(rows, ..., padding_idx), which
// wants it inside, counted from the back where it is negative. Throws Error(bad_model).
void check_padding(const ConfigSection& section, std::int64_t rows);

// As read_looked_up_id(), but none for negative ids as well, which hub files use for "none".
std::optional<std::int32_t> read_token_id(const ConfigSection& section, std::string_view key,
                                          std::int64_t vocabulary);

}  // namespace instructblip
