#include <algorithm>
#include <array>
#include <limits>

#include "checkpoint/text_config.h"
#include "core/errors.h"
#include "core/limits.h"

namespace instructblip {
namespace {

constexpr std::int64_t kLowestId = std::numeric_limits<std::int32_t>::min();
// Stands for every id that no table has a row for, whatever its value.
constexpr std::int32_t kWithoutRow = std::numeric_limits<std::int32_t>::max();

// A key that changes which tokens are chosen and that nothing here implements, with the number that
// switches it off (booleans count as 0 and 1). All are off in every published checkpoint.
struct InertKey {
  std::string_view key;
  double off;
  bool dropped_by_5;  // transformers 5 does not take the key from a text_config
};

constexpr double kOnlyNull = std::numeric_limits<double>::quiet_NaN();  // no number switches it off

constexpr std::array<InertKey, 25> kInertKeys = {{
    {"assistant_early_exit", kOnlyNull, false},
    {"constraints", kOnlyNull, true},
    {"diversity_penalty", 0, true},
    {"dola_layers", kOnlyNull, true},
    {"encoder_no_repeat_ngram_size", 0, true},
    {"encoder_repetition_penalty", 1, true},
    {"epsilon_cutoff", 0, true},
    {"eta_cutoff", 0, true},
    {"exponential_decay_length_penalty", kOnlyNull, true},
    {"force_words_ids", kOnlyNull, true},
    {"forced_bos_token_id", kOnlyNull, true},
    {"forced_eos_token_id", kOnlyNull, true},
    {"guidance_scale", 1, false},
    {"max_time", kOnlyNull, false},
    {"num_beam_groups", 1, true},
    {"penalty_alpha", 0, false},
    {"prompt_lookup_num_tokens", kOnlyNull, false},
    {"remove_invalid_values", 0, true},
    {"renormalize_logits", 0, false},
    {"sequence_bias", kOnlyNull, false},
    {"stop_strings", kOnlyNull, false},
    {"token_healing", 0, false},
    {"top_h", kOnlyNull, false},
    {"watermarking_config", kOnlyNull, false},
}};

bool is_off(const Json& value, double off) {
  if (value.is_number()) return value.number() == off;
  if (value.is_boolean()) return (value.boolean() ? 1.0 : 0.0) == off;
  return false;
}

// A cache of fewer bits than the weights have changes the answer; the other kinds do not.
void refuse_quantized_cache(const ConfigSection& text) {
  const auto value = text.find("cache_implementation");
  if (!value || !value->is_string() || value->string() != "quantized") return;
  text.unsupported("cache_implementation",
                   "a generation setting that is not supported, got 'quantized'");
}

void refuse_what_is_not_run(const ConfigSection& text, Writer writer) {
  refuse_quantized_cache(text);
  for (const InertKey& row : kInertKeys) {
    if (row.dropped_by_5 && writer == Writer::transformers_5) continue;
    const auto value = text.find(row.key);
    if (value && !is_off(*value, row.off)) {
      text.unsupported(row.key, "a generation setting that is not supported, got " + value->got());
    }
  }
}

std::optional<std::int64_t> integer(const ConfigSection& text, std::string_view key,
                                    std::int64_t low, std::int64_t high) {
  const auto value = text.find(key);
  if (!value) return std::nullopt;
  return value->integer(low, high);
}

struct Range {
  double low;
  double high;
  bool includes_low;
};

constexpr double kUnbounded = std::numeric_limits<double>::max();

std::optional<double> number(const ConfigSection& text, std::string_view key, const Range& range) {
  const auto value = text.find(key);
  if (!value) return std::nullopt;
  const double got = value->number();
  if (got > range.high || got < range.low || (got == range.low && !range.includes_low)) {
    const std::string upper = range.high == kUnbounded ? "" : " and at most 1";
    value->fail(std::string(range.includes_low ? "a number from 0" : "a number above 0") + upper);
  }
  return got;
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
  ids.erase(std::ranges::unique(ids).begin(), ids.end());
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
  out.max_length = integer(text, "max_length", 1, limits::kSize);
  out.min_length = integer(text, "min_length", 0, limits::kSize);
  out.num_beams = integer(text, "num_beams", 1, limits::kBeams);
  out.num_return_sequences = integer(text, "num_return_sequences", 1, limits::kBeams);
  out.top_k = integer(text, "top_k", 0, limits::kSize);
  out.no_repeat_ngram_size = integer(text, "no_repeat_ngram_size", 0, limits::kSize);
  out.temperature = number(text, "temperature", {0.0, kUnbounded, true});
  out.top_p = number(text, "top_p", {0.0, 1.0, true});
  out.typical_p = number(text, "typical_p", {0.0, 1.0, false});
  out.repetition_penalty = number(text, "repetition_penalty", {0.0, kUnbounded, false});
  out.length_penalty = number(text, "length_penalty", {-kUnbounded, kUnbounded, true});
  out.do_sample =
      text.find("do_sample") ? std::optional(text.flag("do_sample", false)) : std::nullopt;
  out.early_stopping = early_stopping(text);
  out.bad_words_ids = bad_words(text, vocabulary);
  out.suppress_tokens = token_ids(text, "suppress_tokens", vocabulary);
  out.begin_suppress_tokens = token_ids(text, "begin_suppress_tokens", vocabulary);

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
  refuse_what_is_not_run(text, writer);
  TextGenerationDefaults out;
  out.eos = eos_ids(text, defaults.eos, vocabulary);
  out.bos = id_or(text, "bos_token_id", defaults.bos);
  out.pad = id_or(text, "pad_token_id", defaults.pad);
  out.bad_words_from_first_id = writer == Writer::transformers_5;
  out.max_new_tokens = integer(text, "max_new_tokens", 1, limits::kSize);
  out.min_new_tokens = integer(text, "min_new_tokens", 0, limits::kSize);
  if (const auto min_p = number(text, "min_p", {0.0, 1.0, true})) out.min_p = min_p;
  if (writer == Writer::transformers_4) read_classic_keys(text, vocabulary, out);
  return out;
}

TextGenerationDefaults read_plain_generation(const ConfigSection& section,
                                             std::int64_t vocabulary) {
  return read_generation_defaults(section, {}, vocabulary, Writer::transformers_4);
}

}  // namespace instructblip
