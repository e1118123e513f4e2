// The examination of a model, and the scenes that it can be given as a file.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "end_to_end/command.h"
#include "support/temp_directory.h"

namespace instructblip::test {
namespace {

Finished evaluate(const Arguments& arguments) {
  return run({.command = Arguments{INSTRUCTBLIP_EVALUATE} + arguments});
}

TEST(Evaluate, AsksOneQuestionOfEachType) {
  const Finished finished = evaluate({"--model", kT5, "--scenes", "3", "--seed", "2", "--json"});
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  const auto json = nlohmann::json::parse(finished.out);
  EXPECT_EQ(json["scenes"], 3);
  EXPECT_EQ(json["types"]["colour"]["n"], 3);
  EXPECT_EQ(json["held_out_templates"]["caption"]["n"], 3);
  EXPECT_EQ(json["held_out_form"]["size"]["n"], 3);
}

TEST(Evaluate, ReadsScenesFromAFile) {
  const TempDirectory directory;
  const std::string file = directory / "scenes.jsonl";
  const Finished drawn =
      run({.command = {INSTRUCTBLIP_WORLD, "--scenes", "3", "--seed", "2", "--exam"}});
  ASSERT_EQ(drawn.exit_code, 0) << drawn.err;
  directory.write("scenes.jsonl", drawn.out);

  const Finished from_file = evaluate({"--model", kT5, "--file", file, "--json", "--wrong"});
  const Finished from_seed =
      evaluate({"--model", kT5, "--scenes", "3", "--seed", "2", "--json", "--wrong"});
  ASSERT_EQ(from_file.exit_code, 0) << from_file.err;
  EXPECT_EQ(nlohmann::json::parse(from_file.out)["types"],
            nlohmann::json::parse(from_seed.out)["types"]);
  // The same wrong answers, word for word, until the file's end: what follows is held out.
  EXPECT_FALSE(from_file.err.empty());
  const std::string first = from_file.err.substr(0, from_file.err.find("\n  got"));
  EXPECT_NE(from_seed.err.find(first), std::string::npos);
}

TEST(Evaluate, AsksAboutOneObjectOfACrowdedScene) {
  const Finished finished =
      evaluate({"--model", kT5, "--crowded", "--attention", "--scenes", "2", "--json"});
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  const auto json = nlohmann::json::parse(finished.out);
  for (const auto* part : {"types", "held_out_templates"}) {
    EXPECT_EQ(json[part].size(), 4U) << part;
    EXPECT_EQ(json[part]["where"]["n"], 2) << part;
  }
  EXPECT_EQ(json["held_out_form"]["size"]["n"], 2);
  EXPECT_EQ(json["attention"]["n"], 8);
  EXPECT_GT(json["attention"]["share"], 0);

  const Finished drawn = run({.command = {INSTRUCTBLIP_WORLD, "--crowded", "--samples", "3"}});
  ASSERT_EQ(drawn.exit_code, 0) << drawn.err;
  const auto scene = nlohmann::json::parse(drawn.out);
  EXPECT_GE(scene["objects"].size(), 6U);
  EXPECT_EQ(scene["sign"], nullptr);
  EXPECT_EQ(scene["samples"].size(), 3U);
}

TEST(Evaluate, SaysWhatIsWrong) {
  const TempDirectory directory;
  const std::string file = directory / "scenes.jsonl";
  directory.write("scenes.jsonl", "{}\n");
  const struct {
    Arguments arguments;
    int exit_code;
    std::string says;
  } rows[] = {
      {{}, 2, "--model: a checkpoint directory is missing"},
      {{"--model", kT5, "--scenes", "many"}, 2, "expected a whole number, got \"many\""},
      {{"--model", kT5, "--speed"}, 2, "unknown option --speed"},
      {{"--model", "/nonexistent"}, 1, "/nonexistent"},
      {{"--model", kT5, "--file", "/nonexistent.jsonl"}, 2, "/nonexistent.jsonl"},
      {{"--model", kT5, "--file", file}, 2, "line 1"},
  };
  for (const auto& row : rows) {
    const Finished finished = evaluate(row.arguments);
    EXPECT_EQ(finished.exit_code, row.exit_code) << finished.err;
    EXPECT_NE(finished.err.find(row.says), std::string::npos) << finished.err;
    EXPECT_EQ(finished.out, "");
  }
}

}  // namespace
}  // namespace instructblip::test
