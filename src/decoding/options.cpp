#include "decoding/options.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <string>

#include "core/errors.h"
#include "core/limits.h"
#include "core/log.h"
#include "core/utf8.h"
#include "decoding/random.h"

namespace instructblip {
namespace {

constexpr int kDefaultNewTokens = 256;
constexpr int kDefaultTopK = 50;
constexpr std::int64_t kAbsentMaxLength = 20;

std::string number(double value) {  // whatever the locale
  std::array<char, 32> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  return {digits.data(), end};
}

void check_integer(Findings& findings, const char* name, std::optional<int> value, std::int64_t low,
                   std::int64_t high) {
  if (!value || (*value >= low && *value <= high)) return;
  const std::string range = high == std::numeric_limits<int>::max()
                                ? "at least " + std::to_string(low)
                                : std::to_string(low) + " to " + std::to_string(high);
  findings.add(std::string(name) + ": expected " + range + ", got " + std::to_string(*value));
}

// Above 0 also as the float that it becomes.
void check_positive(Findings& findings, const char* name, std::optional<double> value,
                    double high) {
  if (!value) return;
  constexpr auto kMost = static_cast<double>(std::numeric_limits<float>::max());
  const bool fits =
      std::isfinite(*value) && *value <= std::min(high, kMost) && static_cast<float>(*value) > 0;
  if (fits) return;
  const bool is_bounded = high < kMost || (std::isfinite(*value) && *value > kMost);
  const std::string range = is_bounded
                                ? "a number above 0, at most " + number(std::min(high, kMost))
                                : "a finite number above 0";
  findings.add(std::string(name) + ": expected " + range + ", got " + number(*value));
}

void check_stops(Findings& findings, const std::vector<std::string>& stops) {
  if (stops.size() > static_cast<std::size_t>(limits::kStopStrings)) {
    findings.add("stop: expected at most " + std::to_string(limits::kStopStrings) +
                 " strings, got " + std::to_string(stops.size()));
  }
  for (std::size_t i = 0; i < stops.size(); ++i) {
    const std::string name = "stop[" + std::to_string(i) + "]: ";
    if (stops[i].empty()) findings.add(name + "expected text, got an empty string");
    if (stops[i].size() > static_cast<std::size_t>(limits::kStopBytes)) {
      findings.add(name + "expected at most " + std::to_string(limits::kStopBytes) +
                   " bytes, got " + std::to_string(stops[i].size()));
    }
    if (const auto offset = utf8::find_invalid(stops[i])) {
      findings.add(name + "expected UTF-8, got " + quote(stops[i]) + ", not valid at byte " +
                   std::to_string(*offset));
    }
  }
}

std::string place(const char* name, std::size_t index) {
  return name + ("[" + std::to_string(index) + "]");
}

void check_bad_words(Findings& findings, const std::vector<std::vector<std::int32_t>>& runs) {
  std::size_t ids = 0;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const std::string name = place("bad_words_ids", i);
    if (runs[i].empty()) findings.add(name + ": expected an id at least, got none");
    const auto negative = std::ranges::find_if(runs[i], [](std::int32_t id) { return id < 0; });
    if (negative != runs[i].end()) {
      findings.add(name + ": expected ids of at least 0, got " + std::to_string(*negative));
    }
    ids += runs[i].size();
  }
  if (static_cast<std::int64_t>(ids) > limits::kBannedTokens) {
    findings.add("bad_words_ids: expected at most " + std::to_string(limits::kBannedTokens) +
                 " ids, got " + std::to_string(ids));
  }
}

void check_banned(Findings& findings, const GenerationConfig& config) {
  if (config.bad_words_ids) check_bad_words(findings, *config.bad_words_ids);
  const auto check = [&](const char* name, const std::optional<std::vector<std::int32_t>>& ids) {
    if (!ids || std::ssize(*ids) <= limits::kBannedTokens) return;
    findings.add(std::string(name) + ": expected at most " + std::to_string(limits::kBannedTokens) +
                 " ids, got " + std::to_string(ids->size()));
  };
  check("suppress_tokens", config.suppress_tokens);
  check("begin_suppress_tokens", config.begin_suppress_tokens);
}

void check_forced(Findings& findings, const GenerationConfig& config) {
  constexpr int kAnyInteger = std::numeric_limits<int>::max();
  check_integer(findings, "forced_bos_token_id", config.forced_bos_token_id, -1, kAnyInteger);
  if (config.forced_eos_token_id) {
    for (const std::int32_t id : *config.forced_eos_token_id) {
      check_integer(findings, "forced_eos_token_id", id, 0, kAnyInteger);
    }
  }
  if (config.max_time && !(*config.max_time >= 0)) {
    findings.add("max_time: expected a number of seconds from 0, got " + number(*config.max_time));
  }
}

void check_ranges(Findings& findings, const GenerationConfig& config) {
  constexpr int kAnyInteger = std::numeric_limits<int>::max();
  constexpr double kAnyNumber = std::numeric_limits<double>::max();
  check_integer(findings, "max_new_tokens", config.max_new_tokens, 1, limits::kNewTokens);
  check_integer(findings, "min_new_tokens", config.min_new_tokens, 0, limits::kNewTokens);
  check_integer(findings, "num_beams", config.num_beams, 1, limits::kBeams);
  check_integer(findings, "num_return_sequences", config.num_return_sequences, 1, limits::kBeams);
  check_integer(findings, "no_repeat_ngram_size", config.no_repeat_ngram_size, 0, kAnyInteger);
  check_integer(findings, "top_k", config.top_k, 0, kAnyInteger);
  check_positive(findings, "repetition_penalty", config.repetition_penalty, kAnyNumber);
  check_positive(findings, "temperature", config.temperature, kAnyNumber);
  check_positive(findings, "top_p", config.top_p, 1);
  check_positive(findings, "typical_p", config.typical_p, 1);
  const double penalty = config.length_penalty.value_or(1);
  if (!(std::abs(penalty) <= limits::kLengthPenalty)) {  // NaN too
    findings.add("length_penalty: expected " + number(-limits::kLengthPenalty) + " to " +
                 number(limits::kLengthPenalty) + ", got " + number(penalty));
  }
  const double min_p = config.min_p.value_or(0);
  if (!(min_p >= 0 && min_p <= 1)) {
    findings.add("min_p: expected a number from 0 to 1, got " + number(min_p));
  }
  check_banned(findings, config);
  check_forced(findings, config);
  check_stops(findings, config.stop);
}

// The options against each other, as far as they are filled.
void check_together(Findings& findings, const GenerationConfig& config) {
  if (config.min_new_tokens && config.max_new_tokens &&
      *config.min_new_tokens > *config.max_new_tokens) {
    findings.add("min_new_tokens: expected at most max_new_tokens (" +
                 std::to_string(*config.max_new_tokens) + "), got " +
                 std::to_string(*config.min_new_tokens));
  }
  if (!config.num_return_sequences || !config.num_beams || !config.do_sample) return;
  const bool independent = *config.do_sample && *config.num_beams == 1;
  if (!independent && *config.num_return_sequences > *config.num_beams) {
    findings.add("num_return_sequences: expected at most num_beams (" +
                 std::to_string(*config.num_beams) + ")" +
                 (*config.do_sample ? "" : " without do_sample") + ", got " +
                 std::to_string(*config.num_return_sequences));
  }
}

std::optional<int> narrowed(std::optional<std::int64_t> value) {
  if (!value) return std::nullopt;
  return static_cast<int>(std::clamp<std::int64_t>(*value, std::numeric_limits<int>::min(),
                                                   std::numeric_limits<int>::max()));
}

EarlyStopping early_stopping_from(const std::string& text) {
  if (text == "true") return EarlyStopping::yes;
  return text == "never" ? EarlyStopping::never : EarlyStopping::no;
}

// max_new_tokens, or max_length less what it counts besides; cut to what this library allows.
std::optional<int> max_new_tokens_of(const TextGenerationDefaults& model, std::int64_t prompt_ids) {
  std::optional<std::int64_t> count = model.max_new_tokens;
  if (!count && model.max_length && *model.max_length != kAbsentMaxLength) {
    count = *model.max_length - prompt_ids;
  }
  if (!count) return std::nullopt;
  return static_cast<int>(std::min(*count, limits::kNewTokens));
}

std::optional<int> min_new_tokens_of(const TextGenerationDefaults& model, std::int64_t prompt_ids) {
  if (model.min_new_tokens) return narrowed(model.min_new_tokens);
  if (!model.min_length) return std::nullopt;
  return narrowed(std::max<std::int64_t>(0, *model.min_length - prompt_ids));
}

GenerationConfig options_of(const TextGenerationDefaults& model, std::int64_t prompt_ids) {
  GenerationConfig config;
  config.max_new_tokens = max_new_tokens_of(model, prompt_ids);
  config.min_new_tokens = min_new_tokens_of(model, prompt_ids);
  config.num_beams = narrowed(model.num_beams);
  config.num_return_sequences = narrowed(model.num_return_sequences);
  config.length_penalty = model.length_penalty;
  if (model.early_stopping) config.early_stopping = early_stopping_from(*model.early_stopping);
  config.repetition_penalty = model.repetition_penalty;
  config.no_repeat_ngram_size = narrowed(model.no_repeat_ngram_size);
  config.do_sample = model.do_sample;
  config.temperature = model.temperature;
  config.top_k = narrowed(model.top_k);
  config.top_p = model.top_p;
  config.min_p = model.min_p;
  config.typical_p = model.typical_p;
  config.bad_words_ids = model.bad_words_ids;
  config.suppress_tokens = model.suppress_tokens;
  config.begin_suppress_tokens = model.begin_suppress_tokens;
  config.forced_bos_token_id = model.forced_bos;
  config.forced_eos_token_id = model.forced_eos;
  config.remove_invalid_values = model.remove_invalid_values;
  config.renormalize_logits = model.renormalize_logits;
  config.max_time = model.max_time;
  return config;
}

// The model's values for a draw count where one is made and the caller has none of his own; else
// the reference does not look at them, and whatever they are does no harm.
void forget_idle(GenerationConfig& model, const GenerationConfig& asked) {
  constexpr double kAnyNumber = std::numeric_limits<double>::max();
  const bool draws = asked.do_sample.value_or(model.do_sample.value_or(false));
  const auto forget = [&](auto& value, bool replaced, const auto& check) {
    Findings findings;
    check(findings);
    if (!findings.empty() && (replaced || !draws)) value.reset();
  };
  const auto forget_number = [&](const char* name, auto member, double high) {
    forget(model.*member, (asked.*member).has_value(),
           [&](Findings& findings) { check_positive(findings, name, model.*member, high); });
  };
  forget_number("temperature", &GenerationConfig::temperature, kAnyNumber);
  forget_number("top_p", &GenerationConfig::top_p, 1);
  forget_number("typical_p", &GenerationConfig::typical_p, 1);
  forget(model.top_k, asked.top_k.has_value(), [&](Findings& findings) {
    check_integer(findings, "top_k", model.top_k, 0, std::numeric_limits<int>::max());
  });
  const bool one_beam = asked.num_beams.value_or(model.num_beams.value_or(1)) == 1;
  const bool unfit = std::abs(model.length_penalty.value_or(1)) > limits::kLengthPenalty;
  if (unfit && (one_beam || asked.length_penalty)) model.length_penalty.reset();
}

bool is_given(const GenerationConfig& asked, std::string_view key) {
  return (key == "temperature" && asked.temperature) || (key == "top_k" && asked.top_k) ||
         (key == "top_p" && asked.top_p) || (key == "min_p" && asked.min_p) ||
         (key == "typical_p" && asked.typical_p) ||
         (key == "length_penalty" && asked.length_penalty);
}

bool is_taken(UnfitSetting::When way, const GenerationConfig& options) {
  switch (way) {
    case UnfitSetting::When::always:
      return true;
    case UnfitSetting::When::draws:
      return *options.do_sample;
    case UnfitSetting::When::beams:
      return *options.num_beams > 1;
    case UnfitSetting::When::single_beam:
      return *options.num_beams == 1;
    case UnfitSetting::When::contrasts:
      return !*options.do_sample && *options.num_beams == 1 && *options.top_k > 1;
  }
  return true;
}

// What the model's files say and cannot be followed on the way that the options take.
void refuse_unfit(const TextGenerationDefaults& model, const GenerationConfig& asked,
                  const GenerationConfig& resolved) {
  for (const UnfitSetting& setting : model.unfit) {
    if (is_given(asked, setting.key) || !is_taken(setting.when, resolved)) continue;
    throw Error(ErrorCode::bad_model, setting.message, setting.hint);
  }
}

// Empty values of `config` become those of `model`, else the default.
void fill(GenerationConfig& config, const GenerationConfig& model) {
  const auto take = [](auto& value, const auto& from_model, const auto& fallback) {
    if (!value) value = from_model ? *from_model : fallback;
  };
  take(config.max_new_tokens, model.max_new_tokens, kDefaultNewTokens);
  // What text_config says about the shortest answer yields to a shorter longest one.
  const int min_of_model = std::min(model.min_new_tokens.value_or(0), *config.max_new_tokens);
  take(config.min_new_tokens, std::optional<int>(min_of_model), 0);
  take(config.num_beams, model.num_beams, 1);
  take(config.num_return_sequences, model.num_return_sequences, 1);
  take(config.length_penalty, model.length_penalty, 1.0);
  take(config.early_stopping, model.early_stopping, EarlyStopping::no);
  take(config.repetition_penalty, model.repetition_penalty, 1.0);
  take(config.no_repeat_ngram_size, model.no_repeat_ngram_size, 0);
  take(config.do_sample, model.do_sample, false);
  take(config.temperature, model.temperature, 1.0);
  take(config.top_k, model.top_k, kDefaultTopK);
  take(config.top_p, model.top_p, 1.0);
  take(config.min_p, model.min_p, 0.0);
  take(config.typical_p, model.typical_p, 1.0);
  take(config.bad_words_ids, model.bad_words_ids, std::vector<std::vector<std::int32_t>>());
  take(config.suppress_tokens, model.suppress_tokens, std::vector<std::int32_t>());
  take(config.begin_suppress_tokens, model.begin_suppress_tokens, std::vector<std::int32_t>());
  take(config.forced_bos_token_id, model.forced_bos_token_id, std::int32_t{-1});
  take(config.forced_eos_token_id, model.forced_eos_token_id, std::vector<std::int32_t>());
  take(config.remove_invalid_values, model.remove_invalid_values, false);
  take(config.renormalize_logits, model.renormalize_logits, false);
  if (!config.max_time) config.max_time = model.max_time;
  if (!config.seed) config.seed = random_seed();
}

void warn_of_idle_options(const GenerationConfig& asked, const GenerationConfig& resolved) {
  std::string idle;
  const auto add = [&](const char* name, bool given) {
    if (given) idle += (idle.empty() ? "" : ", ") + std::string(name);
  };
  if (!*resolved.do_sample) {
    add("temperature", asked.temperature.value_or(1) != 1);
    add("top_k", asked.top_k.value_or(kDefaultTopK) != kDefaultTopK);
    add("top_p", asked.top_p.value_or(1) != 1);
    add("min_p", asked.min_p.value_or(0) != 0);
    add("typical_p", asked.typical_p.value_or(1) != 1);
    add("seed", asked.seed.has_value());
    if (!idle.empty()) log_warning("options: without do_sample these have no effect: " + idle);
  }
  idle.clear();
  if (*resolved.num_beams == 1) {
    add("length_penalty", asked.length_penalty.value_or(1) != 1);
    add("early_stopping", asked.early_stopping.value_or(EarlyStopping::no) != EarlyStopping::no);
    if (!idle.empty()) log_warning("options: with num_beams 1 these have no effect: " + idle);
  }
}

}  // namespace

void validate_options(const GenerationConfig& asked) {
  Findings findings;
  check_ranges(findings, asked);
  check_together(findings, asked);
  findings.throw_if_any(ErrorCode::invalid_argument, "options:");
}

GenerationConfig resolve_options(const GenerationConfig& asked, const TextGenerationDefaults& model,
                                 std::int64_t prompt_ids) {
  GenerationConfig model_options = options_of(model, prompt_ids);
  Findings faults;
  if (model_options.max_new_tokens && *model_options.max_new_tokens < 1) {
    if (!asked.max_new_tokens && !model.max_new_tokens) {
      throw Error(ErrorCode::invalid_argument,
                  "options: " + model.source +
                      ": max_length counts the prompt: expected it "
                      "above the prompt's " +
                      std::to_string(prompt_ids) + " positions, got " +
                      std::to_string(*model.max_length),
                  "set max_new_tokens");
    }
    if (!model.max_new_tokens) model_options.max_new_tokens.reset();
  }
  forget_idle(model_options, asked);
  check_ranges(faults, model_options);
  faults.throw_if_any(ErrorCode::bad_model, model.source + ":");

  GenerationConfig resolved = asked;
  fill(resolved, model_options);
  Findings findings;
  check_ranges(findings, asked);
  check_together(findings, resolved);
  findings.throw_if_any(ErrorCode::invalid_argument, "options:");
  refuse_unfit(model, asked, resolved);
  warn_of_idle_options(asked, resolved);
  return resolved;
}

}  // namespace instructblip
