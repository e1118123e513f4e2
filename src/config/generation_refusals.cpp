#include "config/generation_refusals.h"

#include <array>
#include <limits>
#include <span>
#include <string>

namespace instructblip {
namespace {

using When = UnfitSetting::When;

// A key, and the numbers that switch it off (booleans count as 0 and 1).
struct Key {
  std::string_view name;
  double off_from;
  double off_to;
  When when;
  bool dropped_by_5;  // transformers 5 does not take the key from a text_config
};

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNone = std::numeric_limits<double>::quiet_NaN();  // only null switches it off

constexpr std::array<Key, 17> kKeys = {{
    {"assistant_early_exit", kNone, kNone, When::single_beam, false},
    {"constraints", kNone, kNone, When::always, true},
    {"dola_layers", kNone, kNone, When::single_beam, true},
    {"exponential_decay_length_penalty", kNone, kNone, When::always, true},
    {"force_words_ids", kNone, kNone, When::always, true},
    {"guidance_scale", 1, 1, When::always, false},
    {"num_beam_groups", -kInfinity, 1, When::beams, true},
    {"penalty_alpha", -kInfinity, 0, When::contrasts, false},
    {"prefill_chunk_size", kNone, kNone, When::single_beam, false},
    {"prompt_lookup_num_tokens", kNone, kNone, When::single_beam, false},
    {"sequence_bias", kNone, kNone, When::always, false},
    {"stop_strings", kNone, kNone, When::always, false},
    {"token_healing", 0, 0, When::always, false},
    {"top_h", kNone, kNone, When::draws, false},
    {"watermarking_config", kNone, kNone, When::always, false},
    {"epsilon_cutoff", -kInfinity, 0, When::draws, true},
    {"eta_cutoff", -kInfinity, 0, When::draws, true},
}};

constexpr std::array<Key, 2> kKeysOfIds = {{
    {"encoder_no_repeat_ngram_size", -kInfinity, 0, When::always, true},
    {"encoder_repetition_penalty", 1, 1, When::always, true},
}};

bool is_off(const Json& value, const Key& key) {
  const bool truth = value.is_boolean() && value.boolean();
  if (!value.is_number() && !value.is_boolean()) return false;
  const double number = value.is_number() ? value.number() : truth ? 1.0 : 0.0;
  return number >= key.off_from && number <= key.off_to;
}

std::string hint_of(const Key& key) {
  if (key.name == "stop_strings") {
    return "take the key out of the file, and give the texts as stop strings (--stop)";
  }
  const std::string other = key.when == When::draws         ? "answer without do_sample, or "
                            : key.when == When::beams       ? "answer with num_beams 1, or "
                            : key.when == When::single_beam ? "answer with num_beams above 1, or "
                                                            : "";
  return other + "take the key out of the file to answer without it";
}

UnfitSetting unfit(const ConfigSection& section, const Key& key, const Json& value) {
  return {
      std::string(key.name),
      section.where(key.name) + ": a generation setting that is not supported, got " + value.got(),
      key.when, hint_of(key)};
}

void add_switched_on(std::span<const Key> keys, const ConfigSection& section, Writer writer,
                     std::vector<UnfitSetting>& out) {
  for (const Key& key : keys) {
    if (key.dropped_by_5 && writer == Writer::transformers_5) continue;
    const auto value = section.find(key.name);
    if (value && !is_off(*value, key)) out.push_back(unfit(section, key, *value));
  }
}

}  // namespace

std::vector<UnfitSetting> unfit_settings(const ConfigSection& section, Writer writer) {
  std::vector<UnfitSetting> found;
  add_switched_on(kKeys, section, writer, found);
  // A cache of fewer bits than the weights have changes the answer; the other kinds do not.
  const Key cache{"cache_implementation", kNone, kNone, When::always, false};
  const auto value = section.find(cache.name);
  if (value && value->is_string() && value->string() == "quantized") {
    found.push_back(unfit(section, cache, *value));
  }
  return found;
}

std::vector<UnfitSetting> unfit_settings_of_ids(const ConfigSection& section) {
  std::vector<UnfitSetting> found;
  add_switched_on(kKeysOfIds, section, Writer::transformers_4, found);
  return found;
}

}  // namespace instructblip
