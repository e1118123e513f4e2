// instructblip match: pictures against texts, as the reference says.
#include <gtest/gtest.h>

#include <cmath>

#include "end_to_end/command.h"

namespace instructblip::test {
namespace {

// What the reference said; tests/golden/README.md explains it.
Json retrieval(const std::string& model) {
  std::ifstream file(model + "/retrieval.json");
  return Json::parse(file);
}

TEST(Match, SaysWhatTheReferenceSays) {
  for (const char* name : {"blip2_itm", "blip2_itm_first", "blip2_itm_2026"}) {
    SCOPED_TRACE(name);
    const std::string model = kSource + "/tests/golden/checkpoints/" + name;
    const Json golden = retrieval(model);
    Arguments arguments = {"match", "--model", model, "--json"};
    for (const Json& row : golden["images"]) {
      arguments = arguments + Arguments{"--image", image(row["image"])};
    }
    for (const Json& text : golden["texts"]) {
      arguments = arguments + Arguments{"--text", text["text"]};
    }
    const Finished finished = call(arguments);
    ASSERT_EQ(finished.exit_code, 0) << finished.err;
    const std::vector<Json> pairs = objects(finished.out);
    const std::size_t texts = golden["texts"].size();
    ASSERT_EQ(pairs.size(), golden["images"].size() * texts);
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      const Json& row = golden["images"][i / texts];
      EXPECT_EQ(pairs[i]["image"], image(row["image"]));
      EXPECT_EQ(pairs[i]["text"], golden["texts"][i % texts]["text"]);
      const double no = row["match"][i % texts][0], yes = row["match"][i % texts][1];
      // Another processor than the reference's rounds one of them 5.6e-5 away, by ATen's products
      // too.
      EXPECT_NEAR(pairs[i]["logits"][0], no, 1e-4);
      EXPECT_NEAR(pairs[i]["logits"][1], yes, 1e-4);
      EXPECT_NEAR(pairs[i]["match"], 1 / (1 + std::exp(no - yes)), 3e-5);
      EXPECT_NEAR(pairs[i]["similarity"], row["similarity"][i % texts], 3e-5);
    }
  }
}

TEST(Match, PrintsATable) {
  Start start = instructblip({"match", "--model", kMatcher, "--image", image("coffee.jpg"),
                              "--text", "a\ncup", "--text", "-"});
  start.input = "one\r\ntwo\n";
  const Finished finished = run(start);
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < finished.out.size();) {
    const std::size_t end = finished.out.find('\n', at);
    lines.push_back(finished.out.substr(at, end - at));
    at = end + 1;
  }
  ASSERT_EQ(lines.size(), 4u) << finished.out;
  EXPECT_TRUE(lines[0].starts_with("picture ") && lines[0].ends_with("match   similarity"));
  EXPECT_NE(lines[1].find("  a cup  "), std::string::npos) << finished.out;
  EXPECT_NE(lines[2].find("  one    "), std::string::npos) << finished.out;
  EXPECT_NE(lines[3].find("  two    "), std::string::npos) << finished.out;
}

TEST(Match, AndRunNameEachOther) {
  const Arguments about = {"--image", image("coffee.jpg")};
  const Finished match = call(Arguments{"match", "--model", kT5, "--text", "x"} + about);
  EXPECT_EQ(match.exit_code, 5);
  EXPECT_NE(match.err.find("instructblip run"), std::string::npos) << match.err;
  const Finished answer = call(Arguments{"run", "--model", kMatcher, "--instruction", "x"} + about);
  EXPECT_EQ(answer.exit_code, 5);
  EXPECT_NE(answer.err.find("instructblip match"), std::string::npos) << answer.err;
}

TEST(Match, RefusesBadTextsBeforeItPrints) {
  const Arguments about = {"match",  "--model", kMatcher, "--image", image("coffee.jpg"),
                           "--json", "--text",  "fine",   "--text"};
  for (const char* text : {"\xff", "an <image>"}) {
    const Finished finished = call(about + Arguments{text});
    EXPECT_EQ(finished.exit_code, 2) << finished.err;
    EXPECT_EQ(finished.out, "");
  }
  EXPECT_EQ(
      call({"match", "--model", kMatcher, "--image", "/nonexistent", "--text", "x"}).exit_code, 6);
}

TEST(Match, InfoDescribesItsModels) {
  const Finished plain = call({"info", "--model", kMatcher});
  EXPECT_NE(plain.out.find("blip-2, retrieval"), std::string::npos) << plain.out;
  const Json info = objects(call({"info", "--model", kMatcher, "--json"}).out).at(0);
  EXPECT_EQ(info["shared_width"], 16);
  EXPECT_EQ(info["language_model"], "");
  EXPECT_EQ(info["max_instruction_tokens"], 640);
}

TEST(Tokenize, TakesOneText) {
  const Finished finished = call({"tokenize", "--model", kT5, "--text", "a", "--text", "b"});
  EXPECT_EQ(finished.exit_code, 2);
  EXPECT_NE(finished.err.find("expected one --text, got 2"), std::string::npos) << finished.err;
}

}  // namespace
}  // namespace instructblip::test
