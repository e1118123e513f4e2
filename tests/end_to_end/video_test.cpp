// Videos: frames of a file or a folder make one request.
#include <gtest/gtest.h>

#include "end_to_end/command.h"
#include "support/avi_file.h"
#include "support/temp_directory.h"

namespace instructblip::test {
namespace {

namespace fs = std::filesystem;

const std::string kCheckpoints = kSource + "/tests/golden/checkpoints/";
const std::string kVideoModel = kCheckpoints + "video_vicuna";
#ifdef INSTRUCTBLIP_WITH_OPENCV
constexpr bool kReadsFiles = true;
#else
constexpr bool kReadsFiles = false;
#endif

// Nine frames, as a file, as a folder, and by their names.
class VideoCommand : public testing::Test {
 protected:
  VideoCommand() : frames_(test_frames(9)) {
    folder_.write("film.avi", avi_of(frames_));
    fs::create_directory(folder_ / "frames");
    for (std::size_t i = 0; i < frames_.size(); ++i) frames_[i].save_ppm(frame(i));
  }
  std::string frame(std::size_t i) const {
    return folder_ / ("frames/" + std::to_string(i) + ".ppm");
  }
  std::string file() const { return folder_ / (kReadsFiles ? "film.avi" : "frames"); }

  static Arguments asked(const std::string& command, const std::string& model) {
    return {command, "--model", model, "--max-new-tokens", "6", "--instruction", "What happens?"};
  }
  Json answer(const Arguments& arguments) const {
    const Finished finished = call(arguments + Arguments{"--json"});
    EXPECT_EQ(finished.exit_code, 0) << finished.err;
    return finished.exit_code == 0 ? objects(finished.out).at(0) : Json();
  }

  TempDirectory folder_;
  std::vector<TestFrame> frames_;
};

TEST_F(VideoCommand, IsARequestAboutThePickedFrames) {
  Arguments named = asked("run", kVideoModel);
  for (const std::size_t i : {0, 2, 4, 6}) named = named + Arguments{"--image", frame(i)};
  const Json want = answer(named);
  for (const std::string& video : {file(), (folder_ / "frames").string()}) {
    const Json got = answer(asked("run", kVideoModel) + Arguments{"--video", video});
    EXPECT_EQ(got["tokens"], want["tokens"]);
    EXPECT_EQ(got["score"], want["score"]);
    EXPECT_EQ(got["video"], video);
    EXPECT_EQ(got["frames"], Json({0, 2, 4, 6}));
    EXPECT_FALSE(got.contains("image"));
  }
  const Json drawn =
      answer(asked("run", kVideoModel) + Arguments{"--video", file(), "--frames", "2", "--sampling",
                                                   "headtail", "--frame-seed", "7"});
  EXPECT_EQ(drawn["frames"],
            Json({2, 5}));  // random.seed(7); sample(range(4), 1), (range(4, 9), 1)
}

// InstructBLIP about a video is InstructBLIP-Video with the same weights and pixels, whose answers
// are the reference's.
TEST_F(VideoCommand, OfInstructBlipHasTheAnswersOfInstructBlipVideo) {
  const fs::path still = folder_ / "still";
  fs::copy(kVideoModel, still, fs::copy_options::recursive);
  Json config = Json::parse(content_of(still / "config.json"));
  config["model_type"] = "instructblip";
  config["architectures"] = {"InstructBlipForConditionalGeneration"};
  for (const char* part : {"qformer", "vision"}) {
    Json& section = config[std::string(part) + "_config"];
    section["model_type"] =
        std::string("instructblip_") + part + (std::string(part) == "vision" ? "_model" : "");
  }
  config["image_token_index"] = config["video_token_index"];
  config.erase("video_token_index");
  folder_.write("still/config.json", config.dump());
  for (const char* name : {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"}) {
    std::string text = content_of(still / name);
    for (std::size_t at; (at = text.find("<video>")) != std::string::npos;) {
      text.replace(at, 7, "<image>");
    }
    folder_.write(std::string("still/") + name, text);
  }
  fs::rename(still / "video_preprocessor_config.json", still / "preprocessor_config.json");
  fs::remove(still / "processor_config.json");
  const Arguments about = {"--video", file(), "--resize", "torchvision"};
  const Json want = answer(asked("run", kVideoModel) + about);
  const Json got = answer(asked("run", still) + about);
  EXPECT_EQ(got["tokens"], want["tokens"]);
  EXPECT_EQ(got["score"], want["score"]);
  EXPECT_EQ(got["prompt_tokens"], want["prompt_tokens"]);
  for (const char* command : {"rank", "score", "explain", "caption"}) {
    Arguments arguments = {command, "--model", still, "--video", file()};
    if (std::string(command) != "caption") {
      arguments = arguments + Arguments{"--instruction", "What happens?"};
    }
    if (std::string(command) == "rank") arguments = arguments + Arguments{"--candidate", "a"};
    if (std::string(command) == "score") arguments = arguments + Arguments{"--answer", "a"};
    const Finished finished = call(arguments);
    EXPECT_EQ(finished.exit_code, 0) << command << finished.err;
  }
}

TEST_F(VideoCommand, IsTalkedAbout) {
  const Json object = answer({"chat", "--model", kCheckpoints + "vicuna_2024", "--video", file(),
                              "--question", "Who?", "--max-new-tokens", "4"});
  EXPECT_EQ(object["frames"].size(), 4u);
}

TEST_F(VideoCommand, WrongOnesAreNamed) {
  const auto refused = [&](const Arguments& more, int code, const std::string& message,
                           const std::string& model = kVideoModel) {
    const Finished finished = call(asked("run", model) + more);
    EXPECT_EQ(finished.exit_code, code) << finished.err;
    EXPECT_EQ(finished.out, "");
    EXPECT_NE(finished.err.find(message), std::string::npos) << finished.err;
  };
  refused({"--video", file(), "--image", frame(0)}, 2, "expected no --image beside it");
  refused({"--video", folder_ / "none.mp4"}, 6, "none.mp4: cannot be opened: No such file");
  refused({"--video", file(), "--frames", "10"}, 6, "the video has 9 frames, expected 10");
  refused({"--video", file(), "--frames", "3", "--sampling", "headtail"}, 2, "an even number");
  refused({"--video", file()}, 2, "about a video, expected pictures", kCheckpoints + "llava_hub");
  refused({"--video", file()}, 2, "about a video, expected pictures", kCheckpoints + "blip2_opt");
}

// FFmpeg says nothing beside the command's own message.
TEST_F(VideoCommand, DamageIsToldInOneMessage) {
  if (!kReadsFiles) GTEST_SKIP() << "a build without codecs";
  std::string broken = avi_of(frames_);
  for (std::size_t i = 60; i < 300; i += 3) broken[i] = static_cast<char>(broken[i] ^ 0x55);
  folder_.write("broken.avi", broken);
  folder_.write("half.avi", avi_of(frames_).substr(0, 15'000));
  for (const char* name : {"broken.avi", "half.avi"}) {
    const Finished finished =
        call(asked("run", kVideoModel) + Arguments{"--video", folder_ / name, "--frames", "9"});
    EXPECT_EQ(finished.exit_code, 6) << finished.err;
    EXPECT_TRUE(finished.err.starts_with("error: ")) << finished.err;
    EXPECT_EQ(finished.err.find(" @ 0x"), std::string::npos) << finished.err;
  }
}

TEST_F(VideoCommand, IsALineOfABatch) {
  Json items = {{{"video", file()}}, {{"video", {frame(0), frame(2), frame(4), frame(6)}}}};
  folder_.write("in.jsonl", items[0].dump() + "\n" + items[1].dump() + "\n");
  const std::string out = folder_ / "out.jsonl";
  const auto batch = [&](const Arguments& more) {
    const Finished finished =
        call(asked("batch", kVideoModel) +
             Arguments{"--input", folder_ / "in.jsonl", "-o", out, "--json"} + more);
    EXPECT_EQ(finished.exit_code, 0) << finished.err;
    return objects(finished.out).at(0);
  };
  EXPECT_EQ(batch({})["written"], 2);
  const std::vector<Json> rows = objects(content_of(out));
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0]["frames"], Json({0, 2, 4, 6}));
  EXPECT_EQ(rows[0]["tokens"], rows[1]["tokens"]);
  EXPECT_EQ(batch({"--resume"})["kept"], 2);
  const Json again = batch({"--resume", "--frames", "2"});  // the list of frames is what it was
  EXPECT_EQ(again["written"], 1);
  EXPECT_EQ(again["kept"], 1);
}

}  // namespace
}  // namespace instructblip::test
