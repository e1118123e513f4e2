// To what a tokenizer's files have texts cut; the answers are transformers 4.57.3's, whose
// processors were asked for each row.
#include "text/text_length.h"

#include <gtest/gtest.h>

#include <string>

#include "support/expect_error.h"

namespace instructblip {
namespace {

std::optional<Json> parsed(const std::string& text, const std::string& name) {
  return text.empty() ? std::nullopt : std::optional(Json::parse(text, name));
}

TextLength read(const std::string& config, const std::string& tokenizer = "") {
  return read_text_length(parsed(config, "tokenizer_config.json"),
                          parsed(tokenizer, "tokenizer.json"));
}

std::string truncation(int tokens, const std::string& direction = "Right") {
  return R"({"truncation": {"direction": ")" + direction + R"(", "max_length": )" +
         std::to_string(tokens) + R"(, "strategy": "LongestFirst", "stride": 0}})";
}

std::string padding(const std::string& strategy, const std::string& multiple = "null") {
  return R"({"padding": {"strategy": )" + strategy + R"(, "direction": "Right", )" +
         R"("pad_to_multiple_of": )" + multiple +
         R"(, "pad_id": 0, "pad_type_id": 0, "pad_token": "<pad>"}})";
}

TEST(TextLength, IsNoneWhereNobodyHasCutATextBefore) {
  for (const char* config : {"", "{}", R"({"model_max_length": 512})", R"({"max_length": null})"}) {
    EXPECT_FALSE(read(config).tokens) << config;
    EXPECT_FALSE(read(config, "{}").tokens) << config;
    EXPECT_FALSE(read(config, R"({"truncation": null, "padding": null})").tokens) << config;
  }
}

TEST(TextLength, IsThatOfTheLastText) {
  EXPECT_EQ(read("{}", truncation(24)).tokens, 24);
  EXPECT_FALSE(read("{}", truncation(24)).keeps_end);
  EXPECT_TRUE(read("{}", truncation(24, "Left")).keeps_end);
  // What was filled up to a length is cut to it.
  EXPECT_EQ(read("{}", padding(R"({"Fixed": 30})")).tokens, 30);
  EXPECT_FALSE(read("{}", padding(R"("BatchLongest")")).tokens);
}

TEST(TextLength, ThatNoTextReachesIsNone) {
  EXPECT_FALSE(read(R"({"max_length": 1000000000000000019884624838656})").tokens);
  EXPECT_FALSE(read("{}", truncation(2000000000)).tokens);
}

TEST(TextLength, OfTheSettingsComesFirst) {
  EXPECT_EQ(read(R"({"max_length": 12})").tokens, 12);
  EXPECT_EQ(read(R"({"max_length": 12})", truncation(24)).tokens, 12);
  EXPECT_FALSE(read(R"({"max_length": null})", truncation(24)).tokens);
  EXPECT_TRUE(read(R"({"truncation_side": "left"})", truncation(24)).keeps_end);
  EXPECT_FALSE(read(R"({"truncation_side": "right"})", truncation(24, "Left")).keeps_end);
}

TEST(TextLength, CountsWhereTextsAreCut) {
  EXPECT_FALSE(read(R"({"max_length": 12, "truncation": false})").tokens);
  EXPECT_FALSE(read(R"({"max_length": 12, "padding": true})").tokens);
  EXPECT_FALSE(read(R"({"max_length": 12, "padding": "do_not_pad"})").tokens);
  EXPECT_EQ(read(R"({"max_length": 12, "padding": false})").tokens, 12);
  EXPECT_FALSE(read(R"({"max_length": 12, "truncation": "do_not_truncate"})").tokens);
  EXPECT_EQ(read(R"({"max_length": 12, "padding": true, "truncation": true})").tokens, 12);
  const TextLength of_model = read(R"({"truncation": "longest_first", "model_max_length": 40})");
  EXPECT_FALSE(of_model.tokens);
  EXPECT_TRUE(of_model.to_own_length);
  EXPECT_EQ(of_model.own_length, 40);
  EXPECT_FALSE(read(R"({"truncation": true, "max_length": 12})").to_own_length);
  EXPECT_TRUE(read(R"({"truncation": true, "max_length": null})", truncation(24)).to_own_length);
  EXPECT_FALSE(read(R"({"truncation": true, "model_max_length": 1e30})").own_length);
  test::expect_error(ErrorCode::unsupported, "truncation: expected 'longest_first'",
                     [] { read(R"({"truncation": "only_second"})"); });
}

// A Q-Former's tokenizer does what the language model's files say, to its own length.
TEST(TextLength, OfAnotherTokenizerLeavesItsOwn) {
  const auto config = parsed(
      R"({"model_max_length": 6, "truncation_side": "left", "max_length": 3, "padding": "max_length"})",
      "tokenizer_config.json");
  const TextLength own = read_own_length(config, std::nullopt);
  EXPECT_EQ(own.own_length, 6);
  EXPECT_TRUE(own.keeps_end);
  EXPECT_FALSE(own.tokens);
  EXPECT_FALSE(own.to_own_length);
}

TEST(TextLength, PaddingIsRefused) {
  const auto refused = [](const std::string& config, const std::string& tokenizer,
                          const std::string& where) {
    test::expect_error(ErrorCode::unsupported, where, [&] { read(config, tokenizer); });
  };
  refused(R"({"padding": "max_length"})", "", "tokenizer_config.json: padding");
  refused(R"({"padding": true, "pad_to_multiple_of": 32})", "", "pad_to_multiple_of");
  refused(R"({"padding": "longest"})", padding(R"("BatchLongest")", "8"),
          "tokenizer.json: padding.pad_to_multiple_of");
  EXPECT_FALSE(read(R"({"pad_to_multiple_of": 32})").tokens);
  EXPECT_FALSE(read(R"({"padding": "do_not_pad"})").tokens);
}

}  // namespace
}  // namespace instructblip
