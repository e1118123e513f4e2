// Every key of transformers 4.57.3's GenerationConfig: followed, passed over, or refused by name.
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "config/generation_defaults.h"
#include "config/generation_refusals.h"
#include "config/text_config.h"
#include "core/json.h"
#include "instructblip/error.h"

namespace instructblip {
namespace {

using When = UnfitSetting::When;

constexpr std::int64_t kVocabulary = 100;

TextGenerationDefaults read(const std::string& json) {
  const Json root = Json::parse(json, "generation_config.json");
  return read_plain_generation(ConfigSection(root), kVocabulary);
}

struct Key {
  const char* name;
  const char* value;         // that would change something if it were followed
  std::optional<When> when;  // refused so; else followed or passed over
};

// In the order of GenerationConfig.__init__. The values of passed over keys are odd on purpose.
const Key kKeys[] = {
    {"max_length", "30", {}},
    {"max_new_tokens", "30", {}},
    {"min_length", "-1", {}},
    {"min_new_tokens", "2", {}},
    {"early_stopping", "\"never\"", {}},
    {"max_time", "0.5", {}},
    {"stop_strings", "[\"###\"]", When::always},
    {"do_sample", "true", {}},
    {"num_beams", "3", {}},
    {"use_cache", "false", {}},
    {"cache_implementation", "\"quantized\"", When::always},
    {"cache_implementation", "\"static\"", {}},
    {"cache_config", "{\"nbits\":4}", {}},
    {"return_legacy_cache", "true", {}},
    {"prefill_chunk_size", "16", When::single_beam},
    {"temperature", "0.5", {}},
    {"temperature", "\"0.5\"", When::draws},
    {"temperature", "0", When::draws},
    {"top_k", "5", {}},
    {"top_k", "-1", When::draws},
    {"top_k", "5.5", When::draws},
    {"top_p", "0.5", {}},
    {"top_p", "[0.5]", When::draws},
    {"min_p", "0.5", {}},
    {"min_p", "-0.5", When::draws},
    {"typical_p", "0.5", {}},
    {"typical_p", "0", When::draws},
    {"epsilon_cutoff", "0.1", When::draws},
    {"epsilon_cutoff", "0", {}},
    {"eta_cutoff", "0.1", When::draws},
    {"repetition_penalty", "1.5", {}},
    {"encoder_repetition_penalty", "1.5", {}},
    {"length_penalty", "2", {}},
    {"length_penalty", "\"2\"", When::beams},
    {"no_repeat_ngram_size", "-1", {}},
    {"bad_words_ids", "[[3]]", {}},
    {"renormalize_logits", "true", {}},
    {"forced_bos_token_id", "3", {}},
    {"forced_eos_token_id", "[3]", {}},
    {"remove_invalid_values", "true", {}},
    {"exponential_decay_length_penalty", "[3,1.5]", When::always},
    {"suppress_tokens", "[3]", {}},
    {"begin_suppress_tokens", "[3]", {}},
    {"sequence_bias", "[[[3],1.0]]", When::always},
    {"token_healing", "true", When::always},
    {"guidance_scale", "1.5", When::always},
    {"watermarking_config", "{\"bias\":2.0}", When::always},
    {"num_return_sequences", "1", {}},
    {"output_attentions", "true", {}},
    {"output_hidden_states", "true", {}},
    {"output_scores", "true", {}},
    {"output_logits", "true", {}},
    {"return_dict_in_generate", "true", {}},
    {"pad_token_id", "-1", {}},
    {"bos_token_id", "3", {}},
    {"eos_token_id", "[3,4]", {}},
    {"encoder_no_repeat_ngram_size", "2", {}},
    {"decoder_start_token_id", "3", {}},
    {"is_assistant", "true", {}},
    {"num_assistant_tokens", "5", {}},
    {"num_assistant_tokens_schedule", "\"heuristic\"", {}},
    {"assistant_confidence_threshold", "0.5", {}},
    {"prompt_lookup_num_tokens", "5", When::single_beam},
    {"max_matching_ngram_size", "5", {}},
    {"assistant_early_exit", "5", When::single_beam},
    {"assistant_lookbehind", "5", {}},
    {"target_lookbehind", "5", {}},
    {"compile_config", "{}", {}},
    {"disable_compile", "true", {}},
    {"low_memory", "true", {}},
    {"penalty_alpha", "0.6", When::contrasts},
    {"penalty_alpha", "-0.6", {}},
    {"dola_layers", "\"high\"", When::single_beam},
    {"diversity_penalty", "0.5", {}},
    {"num_beam_groups", "2", When::beams},
    {"constraints", "[]", When::always},
    {"force_words_ids", "[[3]]", When::always},
    {"transformers_version", "\"4.57.3\"", {}},
    {"a key of somebody's own", "5", {}},
};

TEST(GenerationKeys, EachIsRefusedByNameWhereItWouldCountAndCannotBeFollowed) {
  for (const Key& key : kKeys) {
    SCOPED_TRACE(std::string(key.name) + " " + key.value);
    const auto unfit = read("{\"" + std::string(key.name) + "\": " + key.value + "}").unfit;
    ASSERT_EQ(unfit.size(), key.when ? 1u : 0u);
    if (!key.when) continue;
    EXPECT_EQ(unfit.front().key, key.name);
    EXPECT_EQ(unfit.front().when, *key.when);
    EXPECT_EQ(unfit.front().message.rfind("generation_config.json: " + std::string(key.name), 0),
              0u)
        << unfit.front().message;
    EXPECT_FALSE(unfit.front().hint.empty());
  }
}

TEST(GenerationKeys, NullIsTheDefaultOfEach) {
  std::string all = "{";
  for (const Key& key : kKeys) {
    const std::string member = "\"" + std::string(key.name) + "\": null";
    if (all.find(member) == std::string::npos) all += (all.size() > 1 ? ", " : "") + member;
  }
  const TextGenerationDefaults defaults = read(all + "}");
  EXPECT_TRUE(defaults.unfit.empty());
  EXPECT_FALSE(defaults.num_beams || defaults.forced_bos || defaults.max_time);
}

TEST(GenerationKeys, ValuesThatTheReferenceOnlyComparesAreClamped) {
  const TextGenerationDefaults defaults = read(
      R"({"min_length": -3, "min_new_tokens": -1, "no_repeat_ngram_size": -2, "top_p": 1.5,
          "typical_p": 7, "max_length": -4, "forced_bos_token_id": -1, "forced_eos_token_id": 3,
          "remove_invalid_values": 1, "renormalize_logits": "yes", "max_time": 2})");
  EXPECT_TRUE(defaults.unfit.empty());
  EXPECT_EQ(defaults.min_length, 0);
  EXPECT_EQ(defaults.min_new_tokens, 0);
  EXPECT_EQ(defaults.no_repeat_ngram_size, 0);
  EXPECT_EQ(defaults.top_p, 1.0);
  EXPECT_EQ(defaults.typical_p, 1.0);
  EXPECT_EQ(defaults.max_length, -4);
  EXPECT_EQ(defaults.forced_bos, kVocabulary - 1) << "counted from the back";
  EXPECT_EQ(defaults.forced_eos, std::vector<std::int32_t>{3});
  EXPECT_EQ(defaults.remove_invalid_values, false) << "nothing but true switches it on";
  EXPECT_EQ(defaults.renormalize_logits, false);
  EXPECT_EQ(defaults.max_time, 2.0);
}

TEST(GenerationKeys, SettingsOfThePromptsIdsCountForModelsThatAreGivenIds) {
  const Json root = Json::parse(
      R"({"encoder_repetition_penalty": 1.5, "encoder_no_repeat_ngram_size": 2})", "config.json");
  EXPECT_EQ(unfit_settings_of_ids(ConfigSection(root)).size(), 2u);
  const Json off = Json::parse(
      R"({"encoder_repetition_penalty": 1.0, "encoder_no_repeat_ngram_size": -1})", "config.json");
  EXPECT_TRUE(unfit_settings_of_ids(ConfigSection(off)).empty());
}

TEST(GenerationKeys, WhatNoWayCanFollowIsRefusedAtLoad) {
  EXPECT_NO_THROW(refuse_unfit(read(R"({"top_k": -1, "num_beam_groups": 2})")));
  try {
    refuse_unfit(read(R"({"top_k": -1, "stop_strings": ["###"]})"));
    FAIL() << "expected an Error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::unsupported);
    EXPECT_NE(std::string(error.what()).find("generation_config.json: stop_strings"),
              std::string::npos);
    EXPECT_NE(error.hint().find("--stop"), std::string::npos);
  }
}

}  // namespace
}  // namespace instructblip
