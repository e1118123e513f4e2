#include "adapters/lora_pattern.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "core/json.h"
#include "core/limits.h"
#include "support/cpu_time.h"

namespace instructblip {
namespace {

// What peft takes them for, from make_lora_pattern_goldens.py.
TEST(ModulePattern, MatchesWhatPythonMatches) {
  const Json goldens = Json::read(std::filesystem::path(INSTRUCTBLIP_SOURCE_DIR) /
                                  "tests/unit/adapters/lora_pattern_goldens.json");
  const std::vector<Json> modules = goldens.at("modules").elements();
  const auto keys = goldens.at("keys").members();
  ASSERT_GE(keys.size(), 40u);
  for (const auto& [key, expected] : keys) {
    const auto pattern = ModulePattern::read(key);
    ASSERT_TRUE(pattern) << key;
    std::string got;
    for (const Json& module : modules) got += pattern->matches(module.string()) ? '1' : '0';
    EXPECT_EQ(got, expected.string()) << key;
  }
}

TEST(ModulePattern, IsNotGuessedWhereItIsNotUnderstood) {
  for (const char* key : {"",      "(a",          "a)",
                          "[a",    "[]",          "a\\",
                          "*a",    "a**",         "a*+",
                          "a{,2}", "^*",          "${2}",
                          "(?=a)", "(?!a)",       "(?P<n>a)",
                          "(?i)a", "\\1",         "\\Qa\\E",
                          "\\pL",  "\\C",         "\\z",
                          "[\\b]", "[b-a]",       "[a-\\d]",
                          "[[a]",  "[[:alpha:]]", "é",
                          "a\n",   "a{1001}",     "(((((((((((((((((a)))))))))))))))))"}) {
    EXPECT_FALSE(ModulePattern::read(key)) << key;
  }
  EXPECT_FALSE(ModulePattern::read(std::string(limits::kPatternBytes + 1, 'a')));
  EXPECT_TRUE(ModulePattern::read(std::string(limits::kPatternBytes, 'a')));
}

// Where a search that goes back would take for ever.
TEST(ModulePattern, TakesLinearTime) {
  const auto pattern = ModulePattern::read("((a*)*)*((a|a)+)+(.*.*.*)*b");
  ASSERT_TRUE(pattern);
  const double start = test::cpu_seconds();
  EXPECT_FALSE(pattern->matches(std::string(10'000, 'a')));
  EXPECT_LT(test::cpu_seconds() - start, 5.0);
}

}  // namespace
}  // namespace instructblip
