// instructblip rank: how likely given answers are; and --compat lavis, whose answers they are.
#include <gtest/gtest.h>

#include <cmath>

#include "end_to_end/command.h"

namespace instructblip::test {
namespace {

const std::string kRankings = kSource + "/tests/golden/rankings.json";

Json golden(const std::string& file) {
  std::ifstream stream(file);
  return Json::parse(stream);
}

Arguments with_candidates(const Json& candidates) {
  Arguments arguments;
  for (const Json& candidate : candidates) {
    arguments = arguments + Arguments{"--candidate", candidate};
  }
  return arguments;
}

Arguments about(const Json& asked) {
  Arguments arguments = {"--instruction", asked["instruction"]};
  if (!asked.contains("images")) return arguments + Arguments{"--image", image(asked["image"])};
  for (const Json& name : asked["images"])
    arguments = arguments + Arguments{"--image", image(name)};
  return arguments;
}

TEST(Rank, SaysWhatTheReferenceSays) {
  const Json rankings = golden(kRankings)["rankings"];
  ASSERT_GE(rankings.size(), 10u);
  for (const Json& ranking : rankings) {
    const std::string name = ranking["checkpoint"];
    SCOPED_TRACE(name);
    const Finished finished =
        call(Arguments{"rank", "--json", "--model", kSource + "/tests/golden/checkpoints/" + name} +
             about(ranking) + with_candidates(ranking["candidates"]));
    ASSERT_EQ(finished.exit_code, 0) << finished.err;
    const std::vector<Json> printed = objects(finished.out);
    ASSERT_EQ(printed.size(), 1u);
    EXPECT_EQ(printed[0]["compat"], "hf");
    const Json& candidates = printed[0]["candidates"];
    ASSERT_EQ(candidates.size(), ranking["candidates"].size());
    double before = candidates[0]["score"], total = 0;
    for (const Json& candidate : candidates) {
      const std::size_t index = candidate["index"];
      double sum = 0;
      for (const double logprob : ranking["logprobs"][index]) sum += logprob;
      EXPECT_EQ(candidate["text"], ranking["candidates"][index]);
      EXPECT_EQ(candidate["tokens"], ranking["tokens"][index]);
      EXPECT_NEAR(candidate["score"], sum, 1e-2);
      EXPECT_LE(candidate["score"], before);
      before = candidate["score"];
      total += candidate["probability"].get<double>();
    }
    EXPECT_NEAR(total, 1, 1e-6);
  }
}

// An empty answer would often be the likeliest.
TEST(Rank, PassesOverEmptyLinesOfStandardInput) {
  Start start = instructblip({"rank", "--json", "--model", kT5, "--image", image("coffee.jpg"),
                              "--instruction", "What is it?", "--candidate", "-"});
  start.input = "a cup\r\n\r\na spoon\n\n";
  const Finished finished = run(start);
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_EQ(objects(finished.out)[0]["candidates"].size(), 2u);
  start.input = "";
  EXPECT_EQ(run(start).exit_code, 2);
}

TEST(Rank, PrintsATableAndReadsCandidatesFromStandardInput) {
  Start start = instructblip({"rank", "--model", kT5, "--image", image("coffee.jpg"), "--image",
                              image("rocket.jpg"), "--instruction", "What is it?", "--candidate",
                              "a\ncup", "--candidate", "-"});
  start.input = "a rocket\r\na dog\n";
  const Finished finished = run(start);
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_TRUE(finished.out.starts_with(image("coffee.jpg") + "\nprobability  score"))
      << finished.out;
  EXPECT_NE(finished.out.find("  a cup\n"), std::string::npos) << finished.out;
  EXPECT_NE(finished.out.find("  a rocket\n"), std::string::npos) << finished.out;
  EXPECT_NE(finished.out.find("\n" + image("rocket.jpg") + "\nprobability"), std::string::npos);
}

TEST(Rank, BadInputIsNamedBeforeAnythingIsPrinted) {
  const Arguments bare = {"rank",        "--model", kVicuna, "--image", image("coffee.jpg"),
                          "--candidate", "x"};
  EXPECT_NE(call(bare).err.find("rank: --instruction is missing"), std::string::npos);
  const Arguments rank = {"rank",          "--model", kVicuna, "--image", image("coffee.jpg"),
                          "--instruction", "Why?"};
  const Finished none = call(rank);
  EXPECT_EQ(none.exit_code, 2);
  EXPECT_NE(none.err.find("--candidate is missing"), std::string::npos) << none.err;
  const Finished empty =
      call(rank + Arguments{"--candidate", "x", "--candidate", "", "--end-token", "false"});
  EXPECT_EQ(empty.exit_code, 2);
  EXPECT_EQ(empty.out, "");
  EXPECT_NE(empty.err.find("candidate 2: the text is empty"), std::string::npos) << empty.err;
}

// tests/golden/lavis: what LAVIS itself answered.
TEST(Compat, LavisAnswersWithItsOwnDefaults) {
  for (const char* name : {"t5_2024", "vicuna_2024", "blip2_opt", "video_t5"}) {
    SCOPED_TRACE(name);
    const Json requests = golden(kSource + "/tests/golden/lavis/" + name + ".json")["requests"];
    int compared = 0;
    for (const Json& request : requests) {
      if (request["call"] != "generate" || !request["options"].empty()) continue;
      const Finished finished = call(Arguments{"run", "--json", "--compat", "lavis", "--model",
                                               kSource + "/tests/golden/checkpoints/" + name} +
                                     about(request));
      ASSERT_EQ(finished.exit_code, 0) << finished.err;
      const std::vector<Json> answers = objects(finished.out);
      ASSERT_EQ(answers.size(), 1u);
      EXPECT_EQ(answers[0]["tokens"], request["sequences"][0]["tokens"]);
      EXPECT_EQ(answers[0]["text"], request["sequences"][0]["text"]);
      EXPECT_EQ(answers[0]["options"]["compat"], "lavis");
      EXPECT_EQ(answers[0]["options"]["num_beams"], 5);
      EXPECT_EQ(answers[0]["options"]["exif"], "ignore");
      ++compared;
    }
    EXPECT_GT(compared, 0);
  }
}

TEST(Compat, LongInstructionsAreCutAndItIsSaid) {
  std::string instruction;
  for (int i = 0; i < 60; ++i) instruction += "what is on the table? ";
  const Finished finished =
      call({"run", "--json", "--compat", "lavis", "--num-beams", "1", "--max-new-tokens", "2",
            "--model", kT5, "--image", image("coffee.jpg"), "--instruction", instruction});
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  const Json answer = objects(finished.out).at(0);
  EXPECT_EQ(answer["qformer_tokens"], 128);
  EXPECT_GT(answer["qformer_tokens_cut"], 100);
  EXPECT_EQ(answer["prompt_tokens_cut"], 0);
  EXPECT_NE(finished.err.find("which reads at most 128: its beginning is cut off"),
            std::string::npos)
      << finished.err;
}

TEST(Compat, InfoSaysWhoseAnswersItGives) {
  for (const char* compat : {"hf", "lavis"}) {
    const Finished finished = call({"info", "--json", "--model", kT5, "--compat", compat});
    ASSERT_EQ(finished.exit_code, 0) << finished.err;
    EXPECT_EQ(objects(finished.out).at(0)["compat"], compat);
  }
}

}  // namespace
}  // namespace instructblip::test
