// What differs between families on the command line: pictures of a request, prompts without text.
#include <gtest/gtest.h>

#include <algorithm>

#include "end_to_end/command.h"

namespace instructblip::test {
namespace {

const std::string kVideo = kSource + "/tests/golden/checkpoints/video_t5";
const std::string kBlip2 = kSource + "/tests/golden/checkpoints/blip2_opt";

Arguments frames_of(const Json& request) {
  Arguments arguments;
  for (const Json& name : request["images"]) {
    arguments.insert(arguments.end(), {"--image", image(name)});
  }
  return arguments;
}

TEST(VideoRun, TakesItsPicturesAsFramesOfOneRequest) {
  for (const char* name : {"greedy", "one-frame", "seven-frames"}) {
    const Json want = golden_request(kVideo, name);
    const Finished finished =
        call(Arguments{"run", "--model", kVideo, "--json", "--instruction", want["instruction"],
                       "--max-new-tokens", want["options"]["max_new_tokens"].dump()} +
             frames_of(want));
    ASSERT_EQ(finished.exit_code, 0) << finished.err;
    const std::vector<Json> answers = objects(finished.out);
    ASSERT_EQ(answers.size(), 1u) << name;
    EXPECT_EQ(answers[0]["tokens"], want["sequences"][0]["tokens"]) << name;
  }
}

TEST(VideoRun, LooksAtFramesInTheOrderGiven) {
  Json want = golden_request(kVideo, "greedy");
  const Arguments question = {
      "run", "--model", kVideo, "--json", "--instruction", want["instruction"], "--max-new-tokens",
      "24"};
  std::reverse(want["images"].begin(), want["images"].end());
  const Finished finished = call(question + frames_of(want));
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_NE(objects(finished.out).at(0)["tokens"], want["sequences"][0]["tokens"]);
}

TEST(Blip2Run, NeedsNoInstruction) {
  const Json want = golden_request(kBlip2, "greedy-empty");
  const Finished finished = call({"run", "--model", kBlip2, "--json", "--image",
                                  image(want["image"]), "--max-new-tokens", "12"});
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_EQ(objects(finished.out).at(0)["tokens"], want["sequences"][0]["tokens"]);
  EXPECT_EQ(objects(finished.out).at(0)["qformer_tokens"], 0);
}

TEST(Features, OfSeveralPicturesNeedAVideoModel) {
  const Arguments two = {"--image",  image("coffee.jpg"),
                         "--image",  image("rocket.jpg"),
                         "--output", testing::TempDir() + "two.safetensors"};
  EXPECT_EQ(call(Arguments{"features", "--model", kVideo} + two).exit_code, 0);
  const Finished refused = call(Arguments{"features", "--model", kT5} + two);
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_NE(refused.err.find("expected one --image, got 2"), std::string::npos) << refused.err;
}

TEST(Info, SaysWhatAFamilyReads) {
  const Json video = objects(call({"info", "--model", kVideo, "--json"}).out).at(0);
  EXPECT_EQ(video["family"], "instructblipvideo");
  EXPECT_EQ(video["pictures_are_frames"], true);
  EXPECT_EQ(video["needs_instruction"], true);
  EXPECT_EQ(video["resize"], "torchvision");
  const Json blip2 = objects(call({"info", "--model", kBlip2, "--json"}).out).at(0);
  EXPECT_EQ(blip2["family"], "blip-2");
  EXPECT_EQ(blip2["language_model"], "opt");
  EXPECT_EQ(blip2["pictures_are_frames"], false);
  EXPECT_EQ(blip2["needs_instruction"], false);
  EXPECT_EQ(blip2["max_instruction_tokens"], 0);
}

}  // namespace
}  // namespace instructblip::test
