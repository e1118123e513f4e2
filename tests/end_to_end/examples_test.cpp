// The examples answer as the command does.
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <sstream>

#include "end_to_end/command.h"

namespace instructblip::test {
namespace {

Finished example(const std::string& name, const Arguments& arguments) {
  return run({.command = Arguments{INSTRUCTBLIP_EXAMPLES "/" + name} + arguments});
}

// The command's answer, with its line end.
std::string answer(const std::string& picture, const std::string& instruction,
                   const Arguments& more) {
  return call(Arguments{"run", "--model", kVicuna, "--image", image(picture), "--instruction",
                        instruction} +
              more)
      .out;
}

TEST(Examples, Caption) {
  const Finished finished = example("caption", {kVicuna, image("coffee.jpg")});
  EXPECT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_EQ(
      finished.out,
      answer("coffee.jpg", "A short image description:", {"--max-new-tokens=30", "--num-beams=5"}));
}

TEST(Examples, AskSeveralQuestions) {
  const Finished finished =
      example("ask", {kVicuna, image("chelsea.webp"), "What is it?", kQuestion});
  EXPECT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_EQ(finished.out, answer("chelsea.webp", "What is it?", {"--max-new-tokens=20"}) +
                              answer("chelsea.webp", kQuestion, {"--max-new-tokens=20"}));
}

TEST(Examples, Stream) {
  const Finished finished = example("stream", {kVicuna, image("rocket.jpg"), kQuestion});
  EXPECT_EQ(finished.exit_code, 0) << finished.err;
  const std::string whole = answer("rocket.jpg", kQuestion, {"--max-new-tokens=60"});
  const std::string text = finished.out.substr(0, finished.out.rfind("\n("));
  EXPECT_EQ(text, whole.substr(0, text.size()));
  EXPECT_TRUE(text.size() + 1 == whole.size() || text.ends_with('.')) << finished.out;
}

TEST(Examples, Batch) {
  const std::string first = image("coffee.jpg"), second = image("rocket.jpg");
  const Finished finished = example("batch", {kVicuna, kQuestion, first, second});
  EXPECT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_EQ(finished.out, first + ": " + answer("coffee.jpg", kQuestion, {"--max-new-tokens=30"}) +
                              second + ": " +
                              answer("rocket.jpg", kQuestion, {"--max-new-tokens=30"}));
}

TEST(Examples, QueueAnswersWhatComesIn) {
  const Finished finished =
      run({.command = {INSTRUCTBLIP_EXAMPLES "/queue", kVicuna, image("coffee.jpg")},
           .input = "What is it?\nWho made it?\nWhat is it?\n"});
  EXPECT_EQ(finished.exit_code, 0) << finished.err;
  const std::string what = answer("coffee.jpg", "What is it?", {"--max-new-tokens=20"});
  EXPECT_EQ(finished.out, "What is it? " + what + "Who made it? " +
                              answer("coffee.jpg", "Who made it?", {"--max-new-tokens=20"}) +
                              "What is it? " + what);
  EXPECT_NE(finished.err.find("picture encoded 1 time(s)"), std::string::npos) << finished.err;
}

TEST(Examples, OpencvFrame) {
  const Finished finished = example("opencv_frame", {kVicuna, image("coffee.jpg"), kQuestion});
  EXPECT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_EQ(finished.out, answer("coffee.jpg", kQuestion, {"--max-new-tokens=30"}));
}

// Every picture once, the likeliest first.
TEST(Examples, Search) {
  const std::string matcher = kSource + "/tests/golden/checkpoints/blip2_itm";
  const Arguments pictures = {image("rocket.jpg"), image("coffee.jpg"), image("chelsea.webp")};
  const Finished finished = example("search", Arguments{matcher, "a cup"} + pictures);
  EXPECT_EQ(finished.exit_code, 0) << finished.err;
  std::map<double, std::string, std::greater<>> ranked;
  for (const std::string& picture : pictures) {
    const Json pair =
        objects(call({"match", "--model", matcher, "--image", picture, "--text", "a cup", "--json"})
                    .out)
            .at(0);
    ranked[pair["match"]] = picture;
  }
  std::istringstream lines(finished.out);
  for (const auto& [match, picture] : ranked) {
    double printed = 0, similarity = 0;
    std::string name;
    ASSERT_TRUE(lines >> printed >> similarity >> name) << finished.out;
    EXPECT_NEAR(printed, match, 1e-5);
    EXPECT_EQ(name, picture);
  }
}

TEST(Examples, Choose) {
  const Finished finished =
      example("choose", {kVicuna, image("coffee.jpg"), "What is it?", "cup", "dog", "cat"});
  EXPECT_EQ(finished.exit_code, 0) << finished.err;
  const Json ranking = objects(call({"rank", "--model", kVicuna, "--image", image("coffee.jpg"),
                                     "--instruction", "What is it?", "--candidate", "cup",
                                     "--candidate", "dog", "--candidate", "cat", "--json"})
                                   .out)
                           .at(0);
  std::istringstream lines(finished.out);
  for (const Json& candidate : ranking["candidates"]) {
    double probability = 0;
    std::string text;
    ASSERT_TRUE(lines >> probability >> text) << finished.out;
    EXPECT_NEAR(probability, candidate["probability"], 1e-5);
    EXPECT_EQ(text, candidate["text"]);
  }
}

TEST(Examples, SayWhatTheyNeed) {
  for (const char* name :
       {"caption", "ask", "stream", "batch", "queue", "search", "choose", "opencv_frame"}) {
    EXPECT_EQ(example(name, {}).exit_code, 2) << name;
    const Finished finished = example(name, {"/nonexistent", "a", "b"});
    EXPECT_NE(finished.exit_code, 0) << name;
  }
}

}  // namespace
}  // namespace instructblip::test
