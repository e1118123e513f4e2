#include <algorithm>
#include <limits>

#include "config/generation_refusals.h"
#include "config/text_config.h"
#include "core/errors.h"
#include "core/limits.h"

namespace instructblip {
namespace {

constexpr std::int64_t kLowestId = std::numeric_limits<std::int32_t>::min();
// Stands for every id that no table has a row for, whatever its value.
constexpr std::int32_t kWithoutRow = std::numeric_limits<std::int32_t>::max();

std::optional<std::int64_t> integer(const ConfigSection& text, std::string_view key,
                                    std::int64_t low, std::int64_t high) {
  const auto value = text.find(key);
  if (!value) return std::nullopt;
  return value->integer(low, high);
}

// As integer(), of a number that the reference compares alone: what lies outside does as the bound.
std::optional<std::int64_t> clamped(const ConfigSection& text, std::string_view key,
                                    std::int64_t low) {
  const auto value = integer(text, key, INT64_MIN, INT64_MAX);
  return value ? std::optional(std::clamp(*value, low, limits::kSize)) : std::nullopt;
}

std::optional<double> positive(const ConfigSection& text, std::string_view key) {
  const auto value = text.find(key);
  if (!value) return std::nullopt;
  if (!(value->number() > 0)) value->fail("a number above 0");
  return value->number();
}

// What one way of generating reads: where another is taken, the reference does not look at it, of
// whatever type it is.
class IdleSettings {
 public:
  IdleSettings(const ConfigSection& text, std::vector<UnfitSetting>& unfit)
      : text_(text), unfit_(unfit) {}

  template <typename Fits>
  std::optional<double> number(std::string_view key, const char* expected, const Fits& fits,
                               UnfitSetting::When when = UnfitSetting::When::draws) const {
    const auto value = text_.find(key);
    if (!value) return std::nullopt;
    if (value->is_number() && fits(value->number())) return value->number();
    add(key, expected, *value, when);
    return std::nullopt;
  }

  std::optional<std::int64_t> count(std::string_view key) const {
    const auto value = text_.find(key);
    if (!value) return std::nullopt;
    if (value->is_integer() && value->integer() >= 0) {
      return std::min(value->integer(), limits::kSize);
    }
    add(key, "an integer of at least 0", *value, UnfitSetting::When::draws);
    return std::nullopt;
  }

 private:
  void add(std::string_view key, const char* expected, const Json& value,
           UnfitSetting::When when) const {
    unfit_.push_back({std::string(key),
                      text_.where(key) + ": expected " + expected + ", got " + value.got(), when,
                      "give the option " + std::string(key) + ", or correct the file"});
  }

  const ConfigSection& text_;
  std::vector<UnfitSetting>& unfit_;
};

// Nothing but true itself switches these on.
std::optional<bool> is_true(const ConfigSection& text, std::string_view key) {
  const auto value = text.find(key);
  if (!value) return std::nullopt;
  return value->is_boolean() && value->boolean();
}

std::optional<std::string> early_stopping(const ConfigSection& text) {
  const auto value = text.find("early_stopping");
  if (!value) return std::nullopt;
  if (value->is_boolean()) return value->boolean() ? "true" : "false";
  if (!value->is_string() || value->string() != "never") value->fail("true, false or 'never'");
  return "never";
}

// Ids that no row of the head has are left out: no answer meets them.
std::vector<std::int32_t> eos_ids(const ConfigSection& text, std::optional<std::int32_t> fallback,
                                  std::int64_t vocabulary) {
  if (text.is_null("eos_token_id")) return {};
  const auto value = text.find("eos_token_id");
  if (!value) return fallback ? std::vector{*fallback} : std::vector<std::int32_t>{};
  const std::vector<std::int64_t> stored =
      value->is_array() ? value->integers() : std::vector{value->integer()};
  std::vector<std::int32_t> ids;
  for (const std::int64_t id : stored) {
    if (id < 0 || id >= vocabulary) continue;
    const auto narrow = static_cast<std::int32_t>(id);
    if (std::find(ids.begin(), ids.end(), narrow) == ids.end()) ids.push_back(narrow);
  }
  return ids;
}

// An id that may lie beyond the table: one that nothing looks up does no harm, and the other is
// reported by whoever does.
std::optional<std::int32_t> id_or(const ConfigSection& text, std::string_view key,
                                  std::optional<std::int32_t> fallback) {
  if (!text.find(key) && !text.is_null(key)) return fallback;
  const auto value = text.find(key);
  if (!value) return std::nullopt;
  const std::int64_t id = value->integer();
  if (id < 0) return std::nullopt;
  return static_cast<std::int32_t>(std::min<std::int64_t>(id, kWithoutRow));
}

// Ids without a row have no effect; as many as the vocabulary has say all there is to say.
std::optional<std::vector<std::int32_t>> token_ids(const ConfigSection& text, std::string_view key,
                                                   std::int64_t vocabulary) {
  const auto value = text.find(key);
  if (!value) return std::nullopt;
  std::vector<std::int32_t> ids;
  for (const std::int64_t id : value->integers()) {
    if (id >= 0 && id < vocabulary) ids.push_back(static_cast<std::int32_t>(id));
  }
  std::ranges::sort(ids);
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

// Ids of which one alone may come at some step. The last rows may be counted from the back where
// the reference looks them up in the scores; those past the vocabulary are reported by that step.
std::optional<std::int32_t> forced_first(const ConfigSection& text, std::int64_t vocabulary) {
  const auto value = text.find("forced_bos_token_id");
  if (!value) return std::nullopt;
  const std::int64_t id = value->integer(-vocabulary);
  return static_cast<std::int32_t>(
      std::min<std::int64_t>(id < 0 ? id + vocabulary : id, kWithoutRow));
}

std::optional<std::vector<std::int32_t>> forced_last(const ConfigSection& text) {
  const auto value = text.find("forced_eos_token_id");
  if (!value) return std::nullopt;
  std::vector<std::int32_t> ids;
  for (const std::int64_t id :
       value->is_array() ? value->integers(0) : std::vector{value->integer(0)}) {
    ids.push_back(static_cast<std::int32_t>(std::min<std::int64_t>(id, kWithoutRow)));
  }
  if (ids.empty()) value->fail("an id at least");
  return ids;
}

// The reference refuses an empty list, an empty run and an id without a row as well.
std::optional<std::vector<std::vector<std::int32_t>>> bad_words(const ConfigSection& text,
                                                                std::int64_t vocabulary) {
  const auto value = text.find("bad_words_ids");
  if (!value) return std::nullopt;
  std::vector<std::vector<std::int32_t>> runs;
  std::size_t count = 0;
  for (const Json& run : value->elements()) {
    const auto ids = run.integers(0, vocabulary - 1);
    if (ids.empty()) run.fail("an id at least");
    count += ids.size();
    runs.emplace_back(ids.begin(), ids.end());
  }
  if (runs.empty()) value->fail("a list of ids at least");
  if (static_cast<std::int64_t>(count) > limits::kBannedTokens) {
    value->fail("at most " + std::to_string(limits::kBannedTokens) + " ids");
  }
  return runs;
}

// The keys that transformers 4 kept in every config; transformers 5 drops them on reading.
void read_classic_keys(const ConfigSection& text, std::int64_t vocabulary,
                       TextGenerationDefaults& out) {
  const IdleSettings idle(text, out.unfit);
  const auto is_share = [](double value) { return value > 0; };
  out.max_length = clamped(text, "max_length", -limits::kSize);
  out.min_length = clamped(text, "min_length", 0);
  out.num_beams = integer(text, "num_beams", 1, limits::kBeams);
  out.num_return_sequences = integer(text, "num_return_sequences", 1, limits::kBeams);
  out.top_k = idle.count("top_k");
  out.no_repeat_ngram_size = clamped(text, "no_repeat_ngram_size", 0);
  out.temperature = idle.number("temperature", "a number above 0", is_share);
  out.top_p = idle.number("top_p", "a number above 0", is_share);
  out.typical_p = idle.number("typical_p", "a number above 0", is_share);
  for (std::optional<double>* share : {&out.top_p, &out.typical_p}) {  // from 1 on they are off
    if (*share) *share = std::min(**share, 1.0);
  }
  out.repetition_penalty = positive(text, "repetition_penalty");
  out.length_penalty = idle.number(
      "length_penalty", "a number", [](double) { return true; }, UnfitSetting::When::beams);
  out.do_sample =
      text.find("do_sample") ? std::optional(text.flag("do_sample", false)) : std::nullopt;
  out.early_stopping = early_stopping(text);
  out.bad_words_ids = bad_words(text, vocabulary);
  out.suppress_tokens = token_ids(text, "suppress_tokens", vocabulary);
  out.begin_suppress_tokens = token_ids(text, "begin_suppress_tokens", vocabulary);
  out.forced_bos = forced_first(text, vocabulary);
  out.forced_eos = forced_last(text);
  out.remove_invalid_values = is_true(text, "remove_invalid_values");

  const std::int64_t beams = out.num_beams.value_or(1);
  const std::int64_t returned = out.num_return_sequences.value_or(1);
  const bool single = beams == 1 && !out.do_sample.value_or(false);
  if (returned > 1 && (single || (beams > 1 && returned > beams))) {
    text.fail("num_return_sequences", "at most num_beams " + std::to_string(beams),
              std::to_string(returned));
  }
}

}  // namespace

std::optional<std::int32_t> read_looked_up_id(const ConfigSection& section, std::string_view key,
                                              std::int64_t vocabulary) {
  const auto value = section.find(key);
  if (!value) return std::nullopt;
  return static_cast<std::int32_t>(value->integer(0, vocabulary - 1));
}

void check_padding(const ConfigSection& section, std::int64_t rows) {
  if (const auto id = section.find("pad_token_id")) id->integer(-rows, rows - 1);
}

std::optional<std::int32_t> read_token_id(const ConfigSection& section, std::string_view key,
                                          std::int64_t vocabulary) {
  const auto value = section.find(key);
  if (!value) return std::nullopt;
  const std::int64_t id = value->integer(kLowestId, vocabulary - 1);
  if (id < 0) return std::nullopt;
  return static_cast<std::int32_t>(id);
}

TextGenerationDefaults read_generation_defaults(const ConfigSection& text,
                                                const TokenDefaults& defaults,
                                                std::int64_t vocabulary, Writer writer) {
  TextGenerationDefaults out;
  out.source = text.where();
  out.unfit = unfit_settings(text, writer);
  out.eos = eos_ids(text, defaults.eos, vocabulary);
  out.bos = id_or(text, "bos_token_id", defaults.bos);
  out.pad = id_or(text, "pad_token_id", defaults.pad);
  out.bad_words_from_first_id = writer == Writer::transformers_5;
  out.max_new_tokens = integer(text, "max_new_tokens", 1, INT64_MAX);
  if (out.max_new_tokens) *out.max_new_tokens = std::min(*out.max_new_tokens, limits::kSize);
  out.min_new_tokens = clamped(text, "min_new_tokens", 0);
  out.min_p =
      IdleSettings(text, out.unfit).number("min_p", "a number from 0 to 1", [](double value) {
        return value >= 0 && value <= 1;
      });
  out.renormalize_logits = is_true(text, "renormalize_logits");
  if (const auto seconds = text.find("max_time")) out.max_time = seconds->number();
  if (writer == Writer::transformers_4) read_classic_keys(text, vocabulary, out);
  return out;
}

TextGenerationDefaults read_plain_generation(const ConfigSection& section,
                                             std::int64_t vocabulary) {
  return read_generation_defaults(section, {}, vocabulary, Writer::transformers_4);
}

void refuse_unfit(const TextGenerationDefaults& defaults) {
  for (const UnfitSetting& setting : defaults.unfit) {
    if (setting.when != UnfitSetting::When::always) continue;
    throw Error(ErrorCode::unsupported, setting.message, setting.hint);
  }
}

}  // namespace instructblip
