#include "decoding/options.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/limits.h"
#include "instructblip/error.h"
#include "instructblip/log.h"

namespace instructblip {
namespace {

using Runs = std::vector<std::vector<std::int32_t>>;

Error error_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "expected an Error";
  return Error(ErrorCode::internal, "");
}

TEST(Options, DefaultsAreThoseOfTheHeader) {
  const GenerationConfig config = resolve_options({}, {}, 40);
  EXPECT_EQ(config.max_new_tokens, 256);
  EXPECT_EQ(config.min_new_tokens, 0);
  EXPECT_EQ(config.num_beams, 1);
  EXPECT_EQ(config.num_return_sequences, 1);
  EXPECT_EQ(config.length_penalty, 1.0);
  EXPECT_EQ(config.early_stopping, EarlyStopping::no);
  EXPECT_EQ(config.repetition_penalty, 1.0);
  EXPECT_EQ(config.no_repeat_ngram_size, 0);
  EXPECT_EQ(config.do_sample, false);
  EXPECT_EQ(config.temperature, 1.0);
  EXPECT_EQ(config.top_k, 50);
  EXPECT_EQ(config.top_p, 1.0);
  EXPECT_EQ(config.min_p, 0.0);
  EXPECT_EQ(config.typical_p, 1.0);
  EXPECT_TRUE(config.bad_words_ids->empty());
  EXPECT_TRUE(config.suppress_tokens->empty());
  EXPECT_TRUE(config.begin_suppress_tokens->empty());
  EXPECT_EQ(config.forced_bos_token_id, -1);
  EXPECT_TRUE(config.forced_eos_token_id->empty());
  EXPECT_EQ(config.remove_invalid_values, false);
  EXPECT_EQ(config.renormalize_logits, false);
  EXPECT_FALSE(config.max_time.has_value());
  EXPECT_TRUE(config.seed.has_value());
  EXPECT_NE(config.seed, resolve_options({}, {}, 40).seed);
}

TEST(Options, AnOptionWinsOverTextConfigAndThatOverTheDefault) {
  TextGenerationDefaults model;
  model.num_beams = 4;
  model.early_stopping = "never";
  model.length_penalty = -1;
  model.do_sample = true;
  model.top_p = 0.9;
  model.max_new_tokens = 30;
  GenerationConfig asked;
  asked.num_beams = 3;
  asked.seed = 5;
  const GenerationConfig config = resolve_options(asked, model, 1);
  EXPECT_EQ(config.num_beams, 3);
  EXPECT_EQ(config.early_stopping, EarlyStopping::never);
  EXPECT_EQ(config.length_penalty, -1.0);
  EXPECT_EQ(config.do_sample, true);
  EXPECT_EQ(config.top_p, 0.9);
  EXPECT_EQ(config.max_new_tokens, 30);
  EXPECT_EQ(config.seed, 5u);
  model.bad_words_ids = Runs{{7}};
  model.suppress_tokens = {8};
  EXPECT_EQ(resolve_options(asked, model, 1).suppress_tokens, std::vector<std::int32_t>{8});
  asked.bad_words_ids.emplace();
  EXPECT_TRUE(resolve_options(asked, model, 1).bad_words_ids->empty()) << "none, not the model's";
  model.early_stopping = "true";
  EXPECT_EQ(resolve_options(asked, model, 1).early_stopping, EarlyStopping::yes);
}

TEST(Options, LengthsOfTextConfigCountThePrompt) {
  TextGenerationDefaults model;
  model.max_length = 50;
  model.min_length = 44;
  GenerationConfig config = resolve_options({}, model, 40);
  EXPECT_EQ(config.max_new_tokens, 10);
  EXPECT_EQ(config.min_new_tokens, 4);
  EXPECT_EQ(resolve_options({}, model, 45).min_new_tokens, 0);

  model.max_length = 20;  // what old config files spell out
  EXPECT_EQ(resolve_options({}, model, 1).max_new_tokens, 256);

  model.max_length = 50;
  GenerationConfig asked;
  asked.max_new_tokens = 3;
  config = resolve_options(asked, model, 40);
  EXPECT_EQ(config.max_new_tokens, 3);
  EXPECT_EQ(config.min_new_tokens, 3) << "yields to the shorter maximum";
  EXPECT_EQ(resolve_options(asked, model, 60).max_new_tokens, 3);

  const Error error = error_of([&] { resolve_options({}, model, 50); });
  EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
  EXPECT_NE(std::string(error.what()).find("max_length"), std::string::npos);
  EXPECT_EQ(error.hint(), "set max_new_tokens");

  model.max_length = 1'000'000;
  EXPECT_EQ(resolve_options({}, model, 1).max_new_tokens, limits::kNewTokens);
}

struct BadOption {
  const char* finding;
  std::function<void(GenerationConfig&)> set;
};

TEST(Options, EveryBadValueIsNamed) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  const std::vector<BadOption> table{
      {"max_new_tokens: expected 1 to 4096, got 0", [](auto& c) { c.max_new_tokens = 0; }},
      {"max_new_tokens: expected 1 to 4096, got 4097", [](auto& c) { c.max_new_tokens = 4097; }},
      {"min_new_tokens: expected 0 to 4096, got -1", [](auto& c) { c.min_new_tokens = -1; }},
      {"min_new_tokens: expected at most max_new_tokens (4), got 5",
       [](auto& c) { c.max_new_tokens = 4, c.min_new_tokens = 5; }},
      {"num_beams: expected 1 to 64, got 0", [](auto& c) { c.num_beams = 0; }},
      {"num_beams: expected 1 to 64, got 65", [](auto& c) { c.num_beams = 65; }},
      {"num_return_sequences: expected 1 to 64, got 0",
       [](auto& c) { c.num_return_sequences = 0; }},
      {"num_return_sequences: expected at most num_beams (1) without do_sample, got 2",
       [](auto& c) { c.num_return_sequences = 2; }},
      {"num_return_sequences: expected at most num_beams (2), got 3",
       [](auto& c) { c.num_return_sequences = 3, c.num_beams = 2, c.do_sample = true; }},
      {"length_penalty: expected -10 to 10, got 10.5", [](auto& c) { c.length_penalty = 10.5; }},
      {"length_penalty: expected -10 to 10, got nan", [=](auto& c) { c.length_penalty = nan; }},
      {"repetition_penalty: expected a finite number above 0, got 0",
       [](auto& c) { c.repetition_penalty = 0; }},
      {"repetition_penalty: expected a finite number above 0, got inf",
       [=](auto& c) { c.repetition_penalty = infinity; }},
      {"temperature: expected a finite number above 0, got -1",
       [](auto& c) { c.temperature = -1; }},
      {"temperature: expected a finite number above 0, got 1e-60",
       [](auto& c) { c.temperature = 1e-60; }},
      {"temperature: expected a number above 0, at most 3.4028234663852886e+38, got 1e+300",
       [](auto& c) { c.temperature = 1e300; }},
      {"temperature: expected a finite number above 0, got nan",
       [=](auto& c) { c.temperature = nan; }},
      {"top_p: expected a number above 0, at most 1, got 1.5", [](auto& c) { c.top_p = 1.5; }},
      {"top_p: expected a number above 0, at most 1, got 0", [](auto& c) { c.top_p = 0; }},
      {"typical_p: expected a number above 0, at most 1, got -0.5",
       [](auto& c) { c.typical_p = -0.5; }},
      {"min_p: expected a number from 0 to 1, got 1.5", [](auto& c) { c.min_p = 1.5; }},
      {"min_p: expected a number from 0 to 1, got nan", [=](auto& c) { c.min_p = nan; }},
      {"bad_words_ids[1]: expected an id at least, got none",
       [](auto& c) {
         c.bad_words_ids = Runs{{3}, {}};
       }},
      {"bad_words_ids[0]: expected ids of at least 0, got -4",
       [](auto& c) {
         c.bad_words_ids = Runs{{3, -4}};
       }},
      {"suppress_tokens: expected at most 262144 ids, got 262145",
       [](auto& c) { c.suppress_tokens = std::vector<std::int32_t>(262145, 1); }},
      {"top_k: expected at least 0, got -1", [](auto& c) { c.top_k = -1; }},
      {"forced_bos_token_id: expected at least -1, got -2",
       [](auto& c) { c.forced_bos_token_id = -2; }},
      {"forced_eos_token_id: expected at least 0, got -1",
       [](auto& c) {
         c.forced_eos_token_id = std::vector{3, -1};
       }},
      {"max_time: expected a number of seconds from 0, got -1", [](auto& c) { c.max_time = -1; }},
      {"no_repeat_ngram_size: expected at least 0, got -2",
       [](auto& c) { c.no_repeat_ngram_size = -2; }},
      {"stop: expected at most 16 strings, got 17",
       [](auto& c) { c.stop = std::vector<std::string>(17, "x"); }},
      {"stop[1]: expected text, got an empty string",
       [](auto& c) {
         c.stop = {"a", ""};
       }},
      {"stop[0]: expected at most 256 bytes, got 257",
       [](auto& c) { c.stop = {std::string(257, 'x')}; }},
      {"stop[0]: expected UTF-8, got 'a\\xff', not valid at byte 1",
       [](auto& c) { c.stop = {"a\xff"}; }},
  };
  for (const BadOption& row : table) {
    GenerationConfig asked;
    row.set(asked);
    const Error error = error_of([&] { resolve_options(asked, {}, 1); });
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    EXPECT_NE(std::string(error.what()).find(row.finding), std::string::npos)
        << error.what() << "\nexpected: " << row.finding;
  }
}

TEST(Options, AllProblemsAreReportedAtOnce) {
  GenerationConfig asked;
  asked.num_beams = 0;
  asked.top_p = 2;
  asked.stop = {""};
  for (const bool with_model : {false, true}) {
    const Error error = error_of(
        [&] { with_model ? (void)resolve_options(asked, {}, 1) : validate_options(asked); });
    const std::string message = error.what();
    EXPECT_NE(message.find("num_beams"), std::string::npos) << message;
    EXPECT_NE(message.find("top_p"), std::string::npos) << message;
    EXPECT_NE(message.find("stop[0]"), std::string::npos) << message;
  }
  EXPECT_NO_THROW(validate_options({}));
}

TEST(Options, WhatTextConfigSaysIsCheckedToo) {
  TextGenerationDefaults model;
  model.do_sample = true;
  model.temperature = 0;
  model.num_beams = 1'000'000'000'000;
  const Error error = error_of([&] { resolve_options({}, model, 1); });
  EXPECT_EQ(error.code(), ErrorCode::bad_model);
  const std::string message = error.what();
  EXPECT_NE(message.find("config.json: text_config"), std::string::npos) << message;
  EXPECT_NE(message.find("temperature"), std::string::npos) << message;
  EXPECT_NE(message.find("num_beams"), std::string::npos) << message;
}

TEST(Options, WhatTextConfigSaysOfADrawIsNotLookedAtWithoutOne) {
  TextGenerationDefaults model;
  model.temperature = 0;
  model.top_p = 1.5;
  model.typical_p = 0;
  EXPECT_EQ(*resolve_options({}, model, 1).temperature, 1);
  EXPECT_EQ(*resolve_options({}, model, 1).top_p, 1);
  GenerationConfig asked;
  asked.do_sample = true;
  EXPECT_EQ(error_of([&] { resolve_options(asked, model, 1); }).code(), ErrorCode::bad_model);
  asked.temperature = asked.top_p = asked.typical_p = 0.5;  // instead of the model's
  EXPECT_EQ(*resolve_options(asked, model, 1).top_p, 0.5);
}

TEST(Options, AnUnfitSettingCountsOnTheWayThatReadsItAlone) {
  using When = UnfitSetting::When;
  struct Row {
    When when;
    const char* key;
    std::function<void(GenerationConfig&)> way;    // on which it counts
    std::function<void(GenerationConfig&)> other;  // on which it does not
  };
  const auto none = [](GenerationConfig&) {};
  const std::vector<Row> table{
      {When::draws, "top_k", [](auto& c) { c.do_sample = true; }, none},
      {When::draws, "top_k", [](auto& c) { c.do_sample = true; },
       [](auto& c) { c.do_sample = true, c.top_k = 3; }},
      {When::draws, "epsilon_cutoff", [](auto& c) { c.do_sample = true; }, none},
      {When::beams, "num_beam_groups", [](auto& c) { c.num_beams = 2; }, none},
      {When::beams, "length_penalty", [](auto& c) { c.num_beams = 2; },
       [](auto& c) { c.num_beams = 2, c.length_penalty = 1; }},
      {When::single_beam, "dola_layers", none, [](auto& c) { c.num_beams = 2; }},
      {When::contrasts, "penalty_alpha", none, [](auto& c) { c.num_beams = 2; }},
      {When::contrasts, "penalty_alpha", none, [](auto& c) { c.top_k = 1; }},
      {When::contrasts, "penalty_alpha", none, [](auto& c) { c.do_sample = true; }},
  };
  for (const Row& row : table) {
    SCOPED_TRACE(row.key);
    TextGenerationDefaults model;
    model.unfit = {{row.key, "here: " + std::string(row.key), row.when, "do that"}};
    GenerationConfig asked;
    row.way(asked);
    const Error error = error_of([&] { resolve_options(asked, model, 1); });
    EXPECT_EQ(error.code(), ErrorCode::bad_model);
    EXPECT_NE(std::string(error.what()).find(row.key), std::string::npos);
    EXPECT_EQ(error.hint(), "do that");
    asked = {};
    row.other(asked);
    EXPECT_NO_THROW(resolve_options(asked, model, 1));
  }
}

TEST(Options, ALengthPenaltyOutOfRangeCountsWithBeamsAlone) {
  TextGenerationDefaults model;
  model.length_penalty = 1000;
  EXPECT_NO_THROW(resolve_options({}, model, 1));
  GenerationConfig asked;
  asked.num_beams = 2;
  EXPECT_EQ(error_of([&] { resolve_options(asked, model, 1); }).code(), ErrorCode::bad_model);
}

TEST(Options, OptionsWithoutEffectAreWarnedAbout) {
  std::vector<std::string> messages;
  set_log_sink([&](LogLevel, std::string_view message) { messages.emplace_back(message); });
  GenerationConfig asked;
  asked.temperature = 0.5;
  asked.top_k = 50;
  asked.length_penalty = 2;
  resolve_options(asked, {}, 1);
  asked.do_sample = true;
  asked.num_beams = 2;
  resolve_options(asked, {}, 1);
  set_log_sink({});
  ASSERT_EQ(messages.size(), 2u);
  EXPECT_NE(messages[0].find("temperature"), std::string::npos);
  EXPECT_EQ(messages[0].find("top_k"), std::string::npos);
  EXPECT_NE(messages[1].find("length_penalty"), std::string::npos);
}

}  // namespace
}  // namespace instructblip
