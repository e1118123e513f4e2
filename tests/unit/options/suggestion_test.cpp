#include "options/suggestion.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

namespace instructblip::options {
namespace {

std::vector<const Option*> all() {
  std::vector<const Option*> options;
  for (const std::span<const Option> each : {table(), conversion_table(), benchmark_table()}) {
    for (const Option& option : each) options.push_back(&option);
  }
  return options;
}

TEST(SuggestionTest, SpellingsLeadToOptionsThatExist) {
  const std::vector<const Option*> options = all();
  EXPECT_GT(spellings().size(), 120U);
  for (const Spelling& spelling : spellings()) {
    EXPECT_NE(find(options, spelling.option), nullptr) << spelling.option;
    EXPECT_EQ(plain(spelling.typed), spelling.typed);
    EXPECT_NE(spelling.typed, spelling.option);
    EXPECT_NE(named_elsewhere(spelling.typed, options), nullptr) << spelling.typed;
  }
}

TEST(SuggestionTest, LeadsToAnOptionThatTheCommandHas) {
  const std::vector<const Option*> options = all();
  const Option* const only_text[] = {find(options, "text")};
  const Option* const only_instruction[] = {find(options, "instruction")};
  EXPECT_EQ(named_elsewhere("prompt", only_text)->option, "text");
  EXPECT_EQ(named_elsewhere("prompt", only_instruction)->option, "instruction");
  EXPECT_EQ(named_elsewhere("temp", only_text), nullptr);
}

TEST(SuggestionTest, TakesDashesCapitalsAndUnderscoresAway) {
  EXPECT_EQ(plain("--Num_Beams"), "num-beams");
  EXPECT_EQ(plain("-v"), "v");
  EXPECT_EQ(plain("--"), "");
}

TEST(SuggestionTest, FindsSlipsOfTheFinger) {
  const std::array<std::string, 3> names = {"--num-beams", "--seed", "--stop-at-tokenizer-eos"};
  EXPECT_EQ(nearest("--num-beam", names), "--num-beams");
  EXPECT_EQ(nearest("--sede", names), "--seed");
  EXPECT_EQ(nearest("--stop-at", names), "--stop-at-tokenizer-eos");
  EXPECT_EQ(nearest("--frobnicate", names), std::nullopt);
}

}  // namespace
}  // namespace instructblip::options
