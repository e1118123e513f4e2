// Several questions about a picture, and several pictures in one question.
#include <gtest/gtest.h>

#include "end_to_end/command.h"
#include "support/temp_directory.h"

namespace instructblip::test {
namespace {

const std::string kLlava = kSource + "/tests/golden/checkpoints/llava_hub";
const std::string kTwo = "USER: <image>\n<image>\nAlike? ASSISTANT:";

Arguments ask_about(const std::string& model, const std::vector<std::string>& images,
                    const std::vector<std::string>& instructions, const Arguments& more = {}) {
  Arguments arguments = {"run", "--model", model, "--max-new-tokens", "8"};
  for (const std::string& name : images) arguments = arguments + Arguments{"--image", image(name)};
  for (const std::string& text : instructions) {
    arguments = arguments + Arguments{"--instruction", text};
  }
  return arguments + more;
}

Json first_answer(const Arguments& arguments) {
  const Finished finished = call(arguments + Arguments{"--json"});
  EXPECT_EQ(finished.exit_code, 0) << finished.err;
  return objects(finished.out).at(0);
}

TEST(Questions, AreAskedAboutEachPictureInOrder) {
  const std::vector<std::string> pictures = {"coffee.jpg", "chelsea.webp"};
  const std::vector<std::string> questions = {"What is it?", "Which\tcolour\nhas it?"};
  for (const std::string& model : {kT5, kLlava}) {
    // Without a cache too, a picture is encoded once.
    const Finished finished =
        call(ask_about(model, pictures, questions, {"--json", "--cache", "0"}));
    ASSERT_EQ(finished.exit_code, 0) << finished.err;
    const std::vector<Json> rows = objects(finished.out);
    ASSERT_EQ(rows.size(), 4u);
    std::string lines;
    for (std::size_t i = 0; i < 4; ++i) {
      const std::string& picture = pictures[i / 2];
      const std::string& question = questions[i % 2];
      EXPECT_EQ(rows[i]["image"], image(picture));
      EXPECT_EQ(rows[i]["instruction"], question);
      EXPECT_EQ(rows[i]["tokens"], first_answer(ask_about(model, {picture}, {question}))["tokens"]);
      EXPECT_EQ(rows[i]["timings_ms"]["vision"] == 0.0, i % 2 == 1) << i;
      std::string text = rows[i]["text"];
      std::ranges::replace(text, '\n', ' ');
      lines += image(picture) + "\t" + (i % 2 == 0 ? "What is it?" : "Which colour has it?") +
               "\t" + text + "\n";
    }
    EXPECT_EQ(call(ask_about(model, pictures, questions)).out, lines);
  }
}

TEST(Questions, OfRankToo) {
  const Arguments both = {"rank",
                          "--model",
                          kT5,
                          "--image",
                          image("coffee.jpg"),
                          "--instruction",
                          "What is it?",
                          "--instruction",
                          "Which colour?",
                          "--candidate",
                          "a cup",
                          "--candidate",
                          "red"};
  const std::vector<Json> rows = objects(call(both + Arguments{"--json"}).out);
  ASSERT_EQ(rows.size(), 2u);
  for (const Json& row : rows) {
    const Json alone = objects(call({"rank", "--json", "--model", kT5, "--image",
                                     image("coffee.jpg"), "--instruction", row["instruction"],
                                     "--candidate", "a cup", "--candidate", "red"})
                                   .out)
                           .at(0);
    EXPECT_EQ(row, alone);
  }
  EXPECT_NE(rows[0]["candidates"], rows[1]["candidates"]);
  const std::string text = call(both).out;
  EXPECT_TRUE(text.starts_with(image("coffee.jpg") + "\tWhat is it?\nprobability")) << text;
  EXPECT_NE(text.find("\n" + image("coffee.jpg") + "\tWhich colour?\nprobability"),
            std::string::npos)
      << text;
}

TEST(Questions, AreAllCheckedBeforeTheFirstAnswer) {
  const Finished finished = call(ask_about(kT5, {"coffee.jpg"}, {"What is it?", "caf\xE9"}));
  EXPECT_EQ(finished.exit_code, 2);
  EXPECT_EQ(finished.out, "");
  EXPECT_NE(finished.err.find("not valid UTF-8"), std::string::npos) << finished.err;
}

TEST(SeveralMarks, MakeOneRequestOfAllPictures) {
  for (const char* name : {"two-pictures", "two-pictures-apart"}) {
    const Json want = golden_request(kLlava, name);
    Arguments arguments = {"run", "--model", kLlava, "--instruction", want["instruction"]};
    for (const Json& picture : want["images"]) {
      arguments = arguments + Arguments{"--image", image(picture)};
    }
    for (const auto& [key, value] : want["options"].items()) {
      std::string option = "--" + key;
      std::ranges::replace(option, '_', '-');
      arguments = arguments + Arguments{option, value.dump()};
    }
    const Json got = first_answer(arguments);
    EXPECT_EQ(got["tokens"], want["sequences"][0]["tokens"]) << name;
    EXPECT_EQ(got["images"], Json::array({image(want["images"][0]), image(want["images"][1])}));
  }
  // One mark each: a request each.
  EXPECT_EQ(
      objects(
          call(ask_about(kLlava, {"coffee.jpg", "rocket.jpg"}, {"<image> Which?"}, {"--json"})).out)
          .size(),
      2u);
}

TEST(SeveralMarks, MayBeAskedAboutTwice) {
  const std::string other = "USER: <image> and <image> ASSISTANT:";
  const std::vector<Json> rows =
      objects(call(ask_about(kLlava, {"coffee.jpg", "rocket.jpg"}, {kTwo, other}, {"--json"})).out);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[1]["tokens"],
            first_answer(ask_about(kLlava, {"coffee.jpg", "rocket.jpg"}, {other}))["tokens"]);
}

TEST(SeveralMarks, AreOneRequestOfRankAndFeatures) {
  const Arguments two = {"--model",           kLlava,    "--image",
                         image("coffee.jpg"), "--image", image("rocket.jpg"),
                         "--instruction",     kTwo};
  const Finished ranked =
      call(Arguments{"rank", "--json", "--candidate", "yes", "--candidate", "no"} + two);
  ASSERT_EQ(ranked.exit_code, 0) << ranked.err;
  EXPECT_EQ(objects(ranked.out).size(), 1u);
  const TempDirectory folder;
  const std::string file = folder / "two.safetensors";
  const Finished written = call(Arguments{"features", "--output", file} + two);
  ASSERT_EQ(written.exit_code, 0) << written.err;
  const Json shown = first_answer(Arguments{"run", "--max-new-tokens", "8"} + two);
  const Json kept = first_answer({"run", "--max-new-tokens", "8", "--model", kLlava, "--features",
                                  file, "--instruction", kTwo});
  EXPECT_EQ(kept["tokens"], shown["tokens"]);
  EXPECT_EQ(kept["features"], file);
}

TEST(SeveralMarks, WithAnotherNumberOfPicturesAreAnError) {
  const auto refusal = [](const std::vector<std::string>& pictures,
                          const std::vector<std::string>& instructions) {
    const Finished finished = call(ask_about(kLlava, pictures, instructions));
    EXPECT_EQ(finished.exit_code, 2) << finished.err;
    EXPECT_EQ(finished.out, "");
    return finished.err;
  };
  const std::vector<std::string> four = {"coffee.jpg", "rocket.jpg", "coffee.jpg", "rocket.jpg"};
  EXPECT_NE(refusal(four, {kTwo}).find("has 2 <image>, expected as many pictures, got 4"),
            std::string::npos);
  EXPECT_NE(refusal({"coffee.jpg"}, {kTwo}).find("expected as many pictures, got 1"),
            std::string::npos);
  EXPECT_NE(refusal({"coffee.jpg", "rocket.jpg"}, {kTwo, "What?"})
                .find("has 2 <image> and another one 1, expected the same number"),
            std::string::npos);
}

TEST(Temperature, Of0IsGreedy) {
  const Json greedy = first_answer(ask_about(kT5, {"coffee.jpg"}, {"What?"}));
  for (const Arguments& more :
       {Arguments{"--temperature", "0"}, {"--do-sample", "--temperature=0.0", "--seed", "3"}}) {
    const Json got = first_answer(ask_about(kT5, {"coffee.jpg"}, {"What?"}, more));
    EXPECT_EQ(got["tokens"], greedy["tokens"]);
    EXPECT_EQ(got["options"]["do_sample"], false);
  }
  EXPECT_EQ(call(ask_about(kT5, {"coffee.jpg"}, {"What?"}, {"--temperature", "0"})).err, "");
}

}  // namespace
}  // namespace instructblip::test
