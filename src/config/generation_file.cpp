#include "config/generation_file.h"

#include <algorithm>
#include <array>
#include <utility>

#include "config/generation_refusals.h"
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
  if (upper.forced_bos) text.forced_bos = upper.forced_bos;
  if (upper.forced_eos) text.forced_eos = upper.forced_eos;
  take(text.remove_invalid_values, upper.remove_invalid_values, false);
  take(text.renormalize_logits, upper.renormalize_logits, false);
  if (upper.max_time) text.max_time = upper.max_time;
  text.unfit.insert(text.unfit.begin(), upper.unfit.begin(), upper.unfit.end());
  text.source = upper.source;
  return text;
}

// Whether config.json asks for anything but token ids that generation would not do anyway, as far
// as the reference looks: max_new_tokens, min_new_tokens, min_p and others are not among what it
// compares.
bool asks(const ConfigSection& top, const TextGenerationDefaults& upper) {
  constexpr std::array<std::string_view, 4> kCompared = {"encoder_no_repeat_ngram_size",
                                                         "output_scores", "return_dict_in_generate",
                                                         "exponential_decay_length_penalty"};
  const bool compared = std::ranges::any_of(kCompared, [&](std::string_view key) {
    const auto value = top.find(key);
    return value && !(value->is_boolean() && !value->boolean()) &&
           !(value->is_number() && value->number() == 0);
  });
  constexpr std::array<std::string_view, 4> kDrawing = {"temperature", "top_k", "top_p",
                                                        "typical_p"};
  const bool draws = std::ranges::any_of(upper.unfit, [&](const UnfitSetting& setting) {
    return std::ranges::find(kDrawing, setting.key) != kDrawing.end();
  });
  if (compared || draws) return true;
  const TextGenerationDefaults standard = merged(upper, {});
  return standard.max_length || standard.min_length || standard.num_beams ||
         standard.num_return_sequences || standard.top_k || standard.no_repeat_ngram_size ||
         standard.temperature || standard.top_p || standard.typical_p ||
         standard.repetition_penalty || standard.length_penalty || standard.do_sample ||
         standard.early_stopping || standard.bad_words_ids || standard.suppress_tokens ||
         standard.begin_suppress_tokens || standard.forced_bos || standard.forced_eos ||
         standard.remove_invalid_values;
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
  TextGenerationDefaults both = merged(upper, std::move(text));
  for (UnfitSetting& setting : unfit_settings_of_ids(sources.text)) {
    both.unfit.push_back(std::move(setting));
  }
  return both;
}

// The defaults in a section that speaks of a model which is given ids.
TextGenerationDefaults read_whole(const ConfigSection& section, std::int64_t vocabulary) {
  TextGenerationDefaults defaults = read_plain_generation(section, vocabulary);
  for (UnfitSetting& setting : unfit_settings_of_ids(section)) {
    defaults.unfit.push_back(std::move(setting));
  }
  return defaults;
}

TextGenerationDefaults read_settings(const GenerationSources& sources,
                                     TextGenerationDefaults text) {
  const TextGenerationDefaults upper = read_whole(sources.top, sources.vocabulary);
  const std::filesystem::path file = sources.directory / kFile;
  if (!is_present(file)) return from_config(sources, upper, std::move(text));

  const Json json = Json::read(file);
  const ConfigSection section(json);
  // A file that says that it was derived from config.json yields to it where that asks for
  // anything.
  if (sources.writer == Writer::transformers_4 && section.flag("_from_model_config", false) &&
      asks(sources.top, upper)) {
    return from_config(sources, upper, std::move(text));
  }
  TextGenerationDefaults own = read_whole(section, sources.vocabulary);
  read_null_top_k(section, sources.writer, own);
  return own;
}

}  // namespace

TextGenerationDefaults read_own_generation_defaults(const GenerationSources& sources,
                                                    TextGenerationDefaults text) {
  TextGenerationDefaults own = read_settings(sources, std::move(text));
  own.bad_words_from_first_id = sources.writer == Writer::transformers_5;
  refuse_unfit(own);
  return own;
}

}  // namespace instructblip
