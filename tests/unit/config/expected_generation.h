// Generation settings as read, held against those that the reference reports.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "config/model_config.h"
#include "core/json.h"

namespace instructblip {

// What the reference reports, with its own defaults filled in where transformers 5 says null.
template <typename T>
void expect_setting(const std::optional<T>& got, const Json& expected, std::string_view key,
                    T fallback) {
  SCOPED_TRACE(key);
  const auto value = expected.find(key);
  if constexpr (std::is_same_v<T, bool>) {
    EXPECT_EQ(got.value_or(fallback), value ? value->boolean() : fallback);
  } else if constexpr (std::is_same_v<T, double>) {
    EXPECT_EQ(got.value_or(fallback), value ? value->number() : fallback);
  } else {
    EXPECT_EQ(got.value_or(fallback), value ? value->integer() : fallback);
  }
}

inline void expect_ids(const TextGenerationDefaults& config, const Json& expected) {
  std::vector<std::int64_t> eos;
  if (const auto ids = expected.find("eos_token_id")) {
    eos = ids->is_array() ? ids->integers() : std::vector{ids->integer()};
  }
  EXPECT_EQ(std::vector<std::int64_t>(config.eos.begin(), config.eos.end()), eos);
  // Negative ids stand for "none" in hub files.
  const auto id = [&](std::string_view key) {
    return std::max<std::int64_t>(expected.integer_or(key, -1), -1);
  };
  EXPECT_EQ(config.bos.value_or(-1), id("bos_token_id"));
  EXPECT_EQ(config.pad.value_or(-1), id("pad_token_id"));
}

// What may not be chosen: left out of the goldens where the reference says null. Lists of ids are
// held without their order, which has no effect.
inline void expect_bans(const TextGenerationDefaults& config, const Json& expected) {
  expect_setting(config.min_p, expected, "min_p", -1.0);
  const auto ids = [&](std::string_view key) {
    const auto value = expected.find(key);
    return value ? std::optional(value->integers()) : std::nullopt;
  };
  const auto wide = [](const std::optional<std::vector<std::int32_t>>& got) {
    return got ? std::optional(std::vector<std::int64_t>(got->begin(), got->end())) : std::nullopt;
  };
  EXPECT_EQ(wide(config.suppress_tokens), ids("suppress_tokens"));
  EXPECT_EQ(wide(config.begin_suppress_tokens), ids("begin_suppress_tokens"));
  const auto words = expected.find("bad_words_ids");
  ASSERT_EQ(config.bad_words_ids.has_value(), words.has_value());
  for (std::size_t i = 0; words && i < words->size(); ++i) {
    EXPECT_EQ(wide(config.bad_words_ids->at(i)), (*words)[i].integers());
  }
}

inline void expect_generation(const TextGenerationDefaults& config, const Json& expected) {
  expect_ids(config, expected);
  const std::int64_t none = -1;
  expect_setting(config.max_new_tokens, expected, "max_new_tokens", none);
  expect_setting(config.min_new_tokens, expected, "min_new_tokens", none);
  expect_setting<std::int64_t>(config.max_length, expected, "max_length", 20);
  expect_setting<std::int64_t>(config.min_length, expected, "min_length", 0);
  expect_setting<std::int64_t>(config.num_beams, expected, "num_beams", 1);
  expect_setting<std::int64_t>(config.num_return_sequences, expected, "num_return_sequences", 1);
  expect_setting<std::int64_t>(config.no_repeat_ngram_size, expected, "no_repeat_ngram_size", 0);
  expect_setting(config.temperature, expected, "temperature", 1.0);
  expect_setting(config.top_p, expected, "top_p", 1.0);
  expect_setting(config.typical_p, expected, "typical_p", 1.0);
  expect_setting(config.repetition_penalty, expected, "repetition_penalty", 1.0);
  expect_setting(config.length_penalty, expected, "length_penalty", 1.0);
  expect_setting(config.do_sample, expected, "do_sample", false);
  std::string stopping = "false";
  if (const auto value = expected.find("early_stopping")) {
    stopping = value->is_boolean() ? value->dump() : value->string();
  }
  EXPECT_EQ(config.early_stopping.value_or("false"), stopping);
  expect_bans(config, expected);
}

}  // namespace instructblip
