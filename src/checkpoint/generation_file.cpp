#include "checkpoint/generation_file.h"

#include <utility>

#include "core/file.h"
#include "core/json.h"

namespace instructblip {
namespace {

constexpr const char* kFile = "generation_config.json";

// What is not asked for, or asked for as it would be anyway, leaves the other's.
template <typename T>
void take(std::optional<T>& value, const std::optional<T>& upper, const T& standard) {
  if (upper && *upper != standard) value = upper;
}

// GenerationConfig.from_model_config(): the upper level of config.json, then its text_config for
// what is still as GenerationConfig has it.
TextGenerationDefaults merged(const TextGenerationDefaults& upper, TextGenerationDefaults text) {
  if (!upper.eos.empty()) text.eos = upper.eos;
  if (upper.bos) text.bos = upper.bos;
  if (upper.pad) text.pad = upper.pad;
  if (upper.max_new_tokens) text.max_new_tokens = upper.max_new_tokens;
  if (upper.min_new_tokens) text.min_new_tokens = upper.min_new_tokens;
  take<std::int64_t>(text.max_length, upper.max_length, 20);
  take<std::int64_t>(text.min_length, upper.min_length, 0);
  take<std::int64_t>(text.num_beams, upper.num_beams, 1);
  take<std::int64_t>(text.num_return_sequences, upper.num_return_sequences, 1);
  take<std::int64_t>(text.top_k, upper.top_k, 50);
  take<std::int64_t>(text.no_repeat_ngram_size, upper.no_repeat_ngram_size, 0);
  take(text.temperature, upper.temperature, 1.0);
  take(text.top_p, upper.top_p, 1.0);
  if (upper.min_p) text.min_p = upper.min_p;
  take(text.typical_p, upper.typical_p, 1.0);
  take(text.repetition_penalty, upper.repetition_penalty, 1.0);
  take(text.length_penalty, upper.length_penalty, 1.0);
  take(text.do_sample, upper.do_sample, false);
  take<std::string>(text.early_stopping, upper.early_stopping, "false");
  if (upper.bad_words_ids) text.bad_words_ids = upper.bad_words_ids;
  if (upper.suppress_tokens) text.suppress_tokens = upper.suppress_tokens;
  if (upper.begin_suppress_tokens) text.begin_suppress_tokens = upper.begin_suppress_tokens;
  text.source = "config.json";
  return text;
}

// Whether config.json asks for anything but token ids that generation would not do anyway, as far
// as the reference looks: max_new_tokens, min_new_tokens and min_p are not among what it compares.
bool asks(const TextGenerationDefaults& upper) {
  const TextGenerationDefaults standard = merged(upper, {});
  return standard.max_length || standard.min_length || standard.num_beams ||
         standard.num_return_sequences || standard.top_k || standard.no_repeat_ngram_size ||
         standard.temperature || standard.top_p || standard.typical_p ||
         standard.repetition_penalty || standard.length_penalty || standard.do_sample ||
         standard.early_stopping || standard.bad_words_ids || standard.suppress_tokens ||
         standard.begin_suppress_tokens;
}

// Null switches it off for transformers 4, and leaves the default for its successor.
void read_null_top_k(const ConfigSection& section, Writer writer, TextGenerationDefaults& out) {
  if (writer == Writer::transformers_4 && section.is_null("top_k")) out.top_k = 0;
}

TextGenerationDefaults from_config(const GenerationSources& sources,
                                   const TextGenerationDefaults& upper,
                                   TextGenerationDefaults text) {
  // Transformers 5 looks at the upper level alone.
  if (sources.writer == Writer::transformers_5) return merged(upper, {});
  read_null_top_k(sources.text, sources.writer, text);
  return merged(upper, std::move(text));
}

TextGenerationDefaults read_settings(const GenerationSources& sources,
                                     TextGenerationDefaults text) {
  const TextGenerationDefaults upper = read_plain_generation(sources.top, sources.vocabulary);
  const std::filesystem::path file = sources.directory / kFile;
  if (!is_present(file)) return from_config(sources, upper, std::move(text));

  const Json json = Json::read(file);
  const ConfigSection section(json);
  // A file that says that it was derived from config.json yields to it where that asks for
  // anything.
  if (sources.writer == Writer::transformers_4 && section.flag("_from_model_config", false) &&
      asks(upper)) {
    return from_config(sources, upper, std::move(text));
  }
  TextGenerationDefaults own = read_plain_generation(section, sources.vocabulary);
  read_null_top_k(section, sources.writer, own);
  own.source = kFile;
  return own;
}

}  // namespace

TextGenerationDefaults read_own_generation_defaults(const GenerationSources& sources,
                                                    TextGenerationDefaults text) {
  TextGenerationDefaults own = read_settings(sources, std::move(text));
  own.bad_words_from_first_id = sources.writer == Writer::transformers_5;
  return own;
}

}  // namespace instructblip
