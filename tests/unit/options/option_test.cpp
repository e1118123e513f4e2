#include "options/option.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "instructblip/error.h"

namespace instructblip::options {
namespace {

const std::span<const Option> kTables[] = {table(), conversion_table(), quantization_table(),
                                           benchmark_table()};

std::string refusal(const Option& option, std::string_view value) {
  Settings settings;
  try {
    option.set(settings, Argument(option.name, value));
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

Settings with(const Option& option, std::string_view value) {
  Settings settings;
  option.set(settings, Argument(option.name, value));
  return settings;
}

TEST(OptionTest, TablesHaveEachNameOnceAndGoGroupByGroup) {
  for (const std::span<const Option> options : kTables) {
    std::set<std::string_view> names;
    for (const Option& option : options) {
      EXPECT_TRUE(names.insert(option.name).second) << option.name;
      EXPECT_EQ(option.value.empty(), option.kind == Kind::flag) << option.name;
      EXPECT_FALSE(option.help.empty() || option.help.ends_with('.')) << option.name;
    }
    EXPECT_TRUE(std::ranges::is_sorted(options, {}, &Option::group));
  }
}

TEST(OptionTest, TakesItsOwnDefault) {
  for (const std::span<const Option> options : kTables) {
    for (const Option& option : options) {
      if (option.default_value.empty()) continue;
      EXPECT_EQ(refusal(option, option.default_value), "");
    }
  }
}

// What help promises is what holds where nothing is given.
TEST(OptionTest, DefaultsAreTheLibrarys) {
  const Settings none;
  Settings all;
  for (const std::span<const Option> options : kTables) {
    for (const Option& option : options) {
      if (option.default_value.empty()) continue;
      option.set(all, Argument(option.name, option.default_value));
    }
  }
  EXPECT_EQ(all.decode.max_pixels, none.decode.max_pixels);
  EXPECT_EQ(all.decode.max_side, none.decode.max_side);
  EXPECT_EQ(all.decode.max_bytes, none.decode.max_bytes);
  EXPECT_EQ(all.decode.background, none.decode.background);
  EXPECT_EQ(all.load.cache_bytes, none.load.cache_bytes);
  EXPECT_EQ(all.load.threads, none.load.threads);
  EXPECT_EQ(all.load.numerics, none.load.numerics);
  EXPECT_EQ(all.load.precision, none.load.precision);
  EXPECT_EQ(all.load.compat, none.load.compat);
  EXPECT_EQ(all.load.geometry, Geometry::squash);
  EXPECT_EQ(all.load.resize, none.load.resize);
  EXPECT_EQ(all.rank.by, none.rank.by);
  EXPECT_EQ(all.convert.max_shard_bytes, none.convert.max_shard_bytes);
  EXPECT_EQ(all.bench.layers, none.bench.layers);
  EXPECT_EQ(all.bench.pictures, none.bench.pictures);
  EXPECT_EQ(all.bench.prompts, none.bench.prompts);
  EXPECT_EQ(all.bench.rows, none.bench.rows);
  EXPECT_EQ(all.bench.new_tokens, none.bench.new_tokens);
  EXPECT_EQ(all.bench.warm_up, none.bench.warm_up);
  EXPECT_EQ(all.bench.repetitions, none.bench.repetitions);
  EXPECT_EQ(all.bench.seconds, none.bench.seconds);
  EXPECT_EQ(all.bench.read_bytes, none.bench.read_bytes);
  EXPECT_EQ(all.bench.threads, none.bench.threads);
  EXPECT_EQ(all.bench.precisions, none.bench.precisions);
}

TEST(OptionTest, AMessageNamesWhatIsTyped) {
  EXPECT_EQ(as_typed("threads: expected a number"), "--threads: expected a number");
  EXPECT_EQ(as_typed("options:\n  num_beams: expected 1\n  hint: fewer"),
            "options:\n  --num-beams: expected 1\n  hint: fewer");
  EXPECT_EQ(as_typed("read_bytes: expected 1 MiB"), "--read-size: expected 1 MiB");
  EXPECT_EQ(as_typed("precision: expected q8"), "--dtype: expected q8");
  EXPECT_EQ(as_typed("/a/threads: no such file"), "/a/threads: no such file");
  EXPECT_EQ(as_typed("unheard_of: threads: no"), "unheard_of: threads: no");
  EXPECT_EQ(as_typed("min_new_tokens: expected at most max_new_tokens (8), got 9"),
            "--min-new-tokens: expected at most --max-new-tokens (8), got 9");
  EXPECT_EQ(as_typed("generation_config.json: num_beams: expected 1"),
            "generation_config.json: num_beams: expected 1");
  EXPECT_EQ(as_typed("stop[0]: expected a text"), "--stop[0]: expected a text");
  EXPECT_EQ(as_typed("policy: expected a module, got 'top_p=q4' of m/top_p or top_p=q4"),
            "--policy: expected a module, got 'top_p=q4' of m/top_p or top_p=q4");
  EXPECT_EQ(as_typed("image: no such file"), "image: no such file");  // a file of that name
  EXPECT_EQ(as_typed("threads"), "threads");
  EXPECT_EQ(as_typed(""), "");
}

TEST(OptionTest, TakesTheChoicesThatItNamesAndNoOthers) {
  int choices = 0;
  for (const Option& option : table()) {
    if (option.kind != Kind::choice) continue;
    ++choices;
    std::string list;
    const auto names = choices_of(option);
    for (std::size_t i = 0; i < names.size(); ++i) {
      EXPECT_EQ(refusal(option, names[i]), "") << option.name;
      if (i > 0) list += i + 1 < names.size() ? ", " : " or ";
      list += names[i];
    }
    EXPECT_EQ(refusal(option, "purple"),
              std::string(option.name) + ": expected " + list + ", got 'purple'");
  }
  EXPECT_GE(choices, 10);
}

TEST(OptionTest, RepeatedOnesAddUp) {
  const Settings settings = with(table()[0], "a");
  EXPECT_EQ(settings.model, "a");
  for (const Option& option : table()) {
    if (option.name != "image") continue;
    Settings several = with(option, "a.png");
    option.set(several, Argument("image", "b.png"));
    EXPECT_TRUE(option.extras.repeats);
    EXPECT_EQ(several.pictures.size(), 2U);
  }
}

TEST(OptionTest, IsSpeltForHelp) {
  const auto named = [](std::string_view name) -> const Option& {
    return *std::ranges::find(table(), name, &Option::name);
  };
  EXPECT_EQ(spelling(named("verbose")), "-v, --verbose");
  EXPECT_EQ(spelling(named("seed")), "--seed N");
  EXPECT_EQ(spelling(named("do-sample")), "--do-sample[=true|false]");
  EXPECT_EQ(described(named("num-beams")),
            "width of the beam search, 1 to 64; 1 is greedy; default 1");
}

}  // namespace
}  // namespace instructblip::options
