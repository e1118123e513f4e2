// instructblip caption, vqa, ask, score, explain and chat.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <set>
#include <sstream>
#include <thread>

#include "end_to_end/command.h"
#include "support/temp_directory.h"

namespace instructblip::test {
namespace {

namespace fs = std::filesystem;

Finished task(const Arguments& arguments, const std::string& model = kT5) {
  return call(arguments + Arguments{"--model", model, "--image", kAstronaut});
}

std::string text_of(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  std::stringstream text;
  text << stream.rdbuf();
  return text.str();
}

// What `run` answers to this instruction with these options.
std::string answer_of_run(const Arguments& more) {
  const Finished finished = task(Arguments{"run"} + more);
  EXPECT_EQ(finished.exit_code, 0) << finished.err;
  return finished.out;
}

TEST(Tasks, AreRunWithTheWordsAndOptionsOfThePaper) {
  const Finished caption = task({"caption", "--json", "--max-new-tokens", "6"});
  ASSERT_EQ(caption.exit_code, 0) << caption.err;
  const Json object = objects(caption.out).at(0);
  EXPECT_EQ(object["instruction"], "A short image caption:");
  EXPECT_EQ(object["options"]["num_beams"], 5);
  EXPECT_EQ(object["options"]["length_penalty"], 1.0);

  const Finished vqa = task({"vqa", "--question", "Who?", "--ocr", "NASA", "--num-beams", "2"});
  ASSERT_EQ(vqa.exit_code, 0) << vqa.err;
  EXPECT_EQ(vqa.out, answer_of_run({"--instruction",
                                    "OCR tokens: NASA. Question: Who? Short answer:", "--num-beams",
                                    "2", "--length-penalty", "-1", "--max-new-tokens", "10",
                                    "--min-new-tokens", "1"}));

  const Finished ask = task({"ask", "--question", "Wer?", "--xlt", "German", "--json",
                             "--max-new-tokens", "4", "--preset", "vqa"});
  ASSERT_EQ(ask.exit_code, 0) << ask.err;
  const std::string instruction = objects(ask.out).at(0)["instruction"];
  EXPECT_TRUE(
      instruction.starts_with("I want you to act as a question answering expert for German"));
}

TEST(Tasks, AQuestionIsAskedForEachAnswer) {
  const Finished asked = task({"question", "--answer", "red", "--answer", "two cats", "--template",
                               "5", "--max-new-tokens", "6", "--json"});
  ASSERT_EQ(asked.exit_code, 0) << asked.err;
  const std::vector<Json> rows = objects(asked.out);
  ASSERT_EQ(rows.size(), 2u);
  const std::string begin =
      "Considering the picture, come up with a question where the answer is: ";
  EXPECT_EQ(rows[0]["instruction"], begin + "red.");
  EXPECT_EQ(rows[1]["instruction"], begin + "two cats.");
  EXPECT_EQ(rows[1]["options"]["num_beams"], 5);
  const Finished run = task({"run", "--instruction", begin + "red.", "--num-beams", "5",
                             "--min-new-tokens", "1", "--max-new-tokens", "6"});
  EXPECT_EQ(rows[0]["text"].get<std::string>() + "\n", run.out);
  const Finished missing = task({"question"});
  EXPECT_EQ(missing.exit_code, 2);
  EXPECT_NE(missing.err.find("--answer is missing"), std::string::npos) << missing.err;
}

TEST(Tasks, WrongNamesAndNumbersAreNamed) {
  const Finished preset = task({"caption", "--preset", "long"});
  EXPECT_EQ(preset.exit_code, 2);
  EXPECT_NE(preset.err.find("expected one of caption, vqa, detailed"), std::string::npos)
      << preset.err;
  const Finished number = task({"vqa", "--question", "Who?", "--template", "11"});
  EXPECT_EQ(number.exit_code, 2);
  EXPECT_NE(number.err.find("a number from 1 to 10"), std::string::npos) << number.err;
}

TEST(Score, AgreesWithTheReference) {
  std::ifstream stream(kSource + "/tests/golden/scores.json");
  const Json all = Json::parse(stream)["scores"];
  ASSERT_GE(all.size(), 9u);
  for (const Json& golden : all) {
    const Json& matrix = golden["matrix"];
    if (matrix["pictures"][0].contains("images")) continue;  // a video's frames are one request
    SCOPED_TRACE(golden["checkpoint"]);
    Arguments arguments = {
        "score", "--json", "--model",
        kSource + "/tests/golden/checkpoints/" + golden["checkpoint"].get<std::string>()};
    for (const Json& one : matrix["pictures"]) {
      arguments = arguments + Arguments{"--image", image(one["image"])};
    }
    for (const Json& text : matrix["texts"]) {
      arguments = arguments + Arguments{"--text", text};
    }
    const Finished finished = call(arguments);
    ASSERT_EQ(finished.exit_code, 0) << finished.err;
    const std::vector<Json> cells = objects(finished.out);
    const std::size_t texts = matrix["texts"].size();
    ASSERT_EQ(cells.size(), matrix["pictures"].size() * texts);
    for (std::size_t i = 0; i < cells.size(); ++i) {
      double sum = 0;
      const Json& want = matrix["logprobs"][i / texts][i % texts];
      for (const double logprob : want) sum += logprob;
      EXPECT_EQ(cells[i]["text"], matrix["texts"][i % texts]);
      EXPECT_NEAR(cells[i]["log_probability"], sum / static_cast<double>(want.size()), 1e-4);
    }
  }
}

TEST(Score, AnswersAreScoredTokenByToken) {
  const Arguments asked = {"score", "--instruction", "Why?", "--answer", "a cat", "--answer", "no"};
  const Finished finished = task(asked + Arguments{"--json"});
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  const Json object = objects(finished.out).at(0);
  ASSERT_EQ(object["answers"].size(), 2u);
  for (const Json& answer : object["answers"]) {
    double sum = 0;
    for (const double logprob : answer["logprobs"]) sum += logprob;
    EXPECT_NEAR(answer["log_probability"], sum, 1e-5);
    EXPECT_EQ(answer["pieces"].size(), answer["tokens"].size());
  }
  EXPECT_EQ(object["usage"]["vision_views"], 1);
  EXPECT_EQ(object["usage"]["prompts"], 1);
  const Finished table = task(asked);
  EXPECT_NE(table.out.find("perplexity"), std::string::npos) << table.out;
  const Finished none = task({"score", "--instruction", "Why?"});
  EXPECT_EQ(none.exit_code, 2);
  EXPECT_NE(none.err.find("score: --answer is missing"), std::string::npos) << none.err;
}

TEST(Rank, TakesSpellingsAndThePictureAway) {
  const Finished finished =
      task({"rank", "--instruction", "Is it so?", "--candidate", "yes", "--candidate", "no",
            "--spelling", "yes=true", "--without-picture", "1", "--json"});
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  for (const Json& candidate : objects(finished.out).at(0)["candidates"]) {
    EXPECT_TRUE(candidate.contains("prior"));
    EXPECT_TRUE(candidate.contains("spelling"));
  }
  const Finished wrong = task(
      {"rank", "--instruction", "Is it so?", "--candidate", "yes", "--spelling", "maybe=perhaps"});
  EXPECT_EQ(wrong.exit_code, 2);
  EXPECT_NE(wrong.err.find("maybe is no --candidate"), std::string::npos) << wrong.err;
}

TEST(Rank, TakesFeatures) {
  const TempDirectory directory;
  const std::string file = (directory.path() / "f.safetensors").string();
  ASSERT_EQ(task({"features", "--output", file}).exit_code, 0);
  const Arguments asked = {"--instruction", "Why?", "--candidate", "a", "--candidate", "b"};
  const Finished of_picture = task(Arguments{"rank"} + asked);
  const Finished of_features = call(Arguments{"rank", "--model", kT5, "--features", file} + asked);
  ASSERT_EQ(of_features.exit_code, 0) << of_features.err;
  EXPECT_EQ(of_features.out, of_picture.out);
}

TEST(Explain, WritesAPageMapsAndJson) {
  const TempDirectory directory;
  const fs::path page = directory.path() / "why.html", maps = directory.path() / "maps";
  const Finished finished = task({"explain", "--instruction", "What is it?", "--answer", "a cat",
                                  "--html", page.string(), "--overlays", maps.string(), "--json"});
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  const Json object = objects(finished.out).at(0);
  const std::size_t tokens = object["scored"]["tokens"].size();
  EXPECT_EQ(object["answer"], "a cat");
  EXPECT_EQ(object["relevance"].size(), tokens * object["queries"].get<std::size_t>());
  EXPECT_TRUE(text_of(page).starts_with("<!doctype html>"));
  std::size_t files = 0;
  for (const auto& entry : fs::directory_iterator(maps)) {
    EXPECT_TRUE(text_of(entry.path()).starts_with("\x89PNG")) << entry.path();
    ++files;
  }
  EXPECT_EQ(files, 1 + object["cross_layers"].size() + tokens);
  const Finished llava =
      call({"explain", "--model", kSource + "/tests/golden/checkpoints/llava_hub", "--image",
            kAstronaut, "--instruction", "Why?"});
  EXPECT_EQ(llava.exit_code, 5);
  EXPECT_NE(llava.err.find("has no Q-Former"), std::string::npos) << llava.err;
}

TEST(Outputs, DoNotReplaceWhatIsRead) {
  const TempDirectory directory;
  const fs::path picture = directory.path() / "picture.jpg", model = directory.path() / "model";
  fs::copy_file(kAstronaut, picture);
  fs::copy(kT5, model, fs::copy_options::recursive);
  // As a cache of downloads has it: files are links to where they lie.
  const fs::path linked = directory.path() / "linked";
  fs::create_directory(linked);
  for (const auto& entry : fs::directory_iterator(model)) {
    fs::create_symlink(entry.path(), linked / entry.path().filename());
  }
  const fs::path folder = directory.path() / "folder";
  fs::create_directory(folder);
  fs::copy_file(kAstronaut, folder / "rollout.png");
  const auto refused = [&](const Arguments& arguments, const std::string& why,
                           const fs::path& of_model, const fs::path& shown) {
    const Finished finished =
        call(arguments + Arguments{"--model", of_model.string(), "--image", shown.string()});
    EXPECT_EQ(finished.exit_code, 2) << finished.err;
    EXPECT_NE(finished.err.find(why), std::string::npos) << finished.err;
    EXPECT_NE(finished.err.find("which is read"), std::string::npos) << finished.err;
  };
  const std::string config = (model / "config.json").string();
  refused({"features", "-o", picture.string()}, "--output", model, picture);
  refused({"features", "-o", config}, "lies in", model, picture);
  refused({"features", "-o", (linked / "config.json").string()}, "lies in", linked, picture);
  refused({"features", "-o", config}, "--output", linked, picture);
  refused({"features", "-o", (folder / "rollout.png").string()}, "--output", model, folder);
  refused({"explain", "--instruction", "x", "--html", picture.string()}, "--html", model, picture);
  refused({"explain", "--instruction", "x", "--overlays", folder.string()}, "--overlays", model,
          folder);
  refused({"chat", "--question", "x", "--save", config}, "--save", model, picture);
  // What was written beside them before is nobody's input.
  for (int times = 0; times < 2; ++times) {
    const Finished again = call({"features", "-o", (model / "mine.safetensors").string(), "--model",
                                 model.string(), "--image", picture.string()});
    EXPECT_EQ(again.exit_code, 0) << again.err;
  }
  EXPECT_EQ(text_of(picture), text_of(kAstronaut));
  EXPECT_EQ(text_of(folder / "rollout.png"), text_of(kAstronaut));
  EXPECT_EQ(text_of(config), text_of(fs::path(kT5) / "config.json"));
}

// Before a model is loaded for it.
TEST(Outputs, ThatCannotBeWrittenAreRefusedAtOnce) {
  const TempDirectory directory;
  const fs::path folder = directory.path() / "folder";
  fs::create_directory(folder);
  const auto refused = [&](const Arguments& arguments, int exit_code, const std::string& why) {
    const Finished finished =
        call(arguments + Arguments{"--model", "nowhere", "--image", kAstronaut});
    EXPECT_EQ(finished.exit_code, exit_code) << finished.err;
    EXPECT_NE(finished.err.find(why), std::string::npos) << finished.err;
  };
  const std::string nowhere = (directory.path() / "nowhere" / "file").string();
  const Arguments explain = {"explain", "--instruction", "x"};
  for (const Arguments& arguments : {Arguments{"features", "-o", nowhere},
                                     Arguments{"chat", "--question", "x", "--save", nowhere},
                                     explain + Arguments{"--html", nowhere}}) {
    refused(arguments, 1, nowhere + ": cannot be written in ");
  }
  refused({"features", "-o", folder.string()}, 2, "got a directory");
  refused({"features", "-o", "/dev/full"}, 2, "got a special file");
  refused(explain + Arguments{"--overlays", kAstronaut}, 2, "expected a folder");
  refused(explain + Arguments{"--overlays", kAstronaut + "/maps"}, 1,
          "cannot be written in " + kAstronaut);
  refused(explain + Arguments{"--overlays", (folder / std::string(300, 'x')).string()}, 5,
          "nowhere");
  const std::string both = (folder / "both").string();
  refused(explain + Arguments{"--html", both, "--overlays", both}, 2, "is the page of --html");
}

// As on a full disk: a file may have 8 KiB there.
TEST(Explain, LeavesNoHalfOfAPage) {
  const TempDirectory directory;
  const fs::path page = directory.path() / "why.html";
  std::ofstream(page) << "an older page";
  fs::permissions(page, fs::perms::owner_read | fs::perms::owner_write);
  const Start plain =
      instructblip({"explain", "--model", kT5, "--image", kAstronaut, "--instruction", "What?",
                    "--answer", "a cat", "--html", page.string()});
  Start limited{.command = {"/bin/sh", "-c", "ulimit -f 8; exec \"$@\"", "sh"}};
  limited.command.insert(limited.command.end(), plain.command.begin(), plain.command.end());
  const Finished failed = run(limited);
  EXPECT_EQ(failed.exit_code, 1) << failed.err;
  EXPECT_EQ(text_of(page), "an older page");
  EXPECT_EQ(std::distance(fs::directory_iterator(directory.path()), {}), 1);
  const Finished written = run(plain);
  EXPECT_EQ(written.exit_code, 0) << written.err;
  EXPECT_TRUE(text_of(page).starts_with("<!doctype html>"));
  EXPECT_EQ(fs::status(page).permissions(), fs::perms::owner_read | fs::perms::owner_write);
  const Finished device =
      task({"explain", "--instruction", "What?", "--answer", "a cat", "--html", "/dev/full"});
  EXPECT_EQ(device.exit_code, 2);
  EXPECT_NE(device.err.find("expected a regular file"), std::string::npos) << device.err;
}

// Neither drawings of an answer before nor some of this one.
TEST(Explain, OverlaysAreThoseOfOneAnswer) {
  const TempDirectory directory;
  const fs::path maps = directory.path() / "maps";
  fs::create_directory(maps);
  std::ofstream(maps / "token-notes.png") << "somebody else's";
  const auto draw = [&](const std::string& answer) {
    return instructblip({"explain", "--model", kT5, "--image", kAstronaut, "--instruction", "What?",
                         "--answer", answer, "--overlays", maps.string()});
  };
  const auto names = [&] {
    std::set<std::string> found;
    for (const auto& entry : fs::directory_iterator(maps)) {
      found.insert(entry.path().filename().string());
    }
    return found;
  };
  ASSERT_EQ(run(draw("a cat on a mat")).exit_code, 0);
  const std::set<std::string> of_long = names();
  ASSERT_EQ(run(draw("a cat")).exit_code, 0);
  const std::set<std::string> of_short = names();
  EXPECT_LT(of_short.size(), of_long.size());
  EXPECT_TRUE(of_short.contains("token-notes.png"));
  const std::string rollout = text_of(maps / "rollout.png");
  const Start plain = draw("a cat on a mat again");
  Start limited{.command = {"/bin/sh", "-c", "ulimit -f 8; exec \"$@\"", "sh"}};
  limited.command.insert(limited.command.end(), plain.command.begin(), plain.command.end());
  EXPECT_EQ(run(limited).exit_code, 1);
  EXPECT_EQ(names(), of_short);
  EXPECT_EQ(text_of(maps / "rollout.png"), rollout);
  // What is asked about is no older drawing.
  const fs::path picture = maps / "token-99.png";
  fs::copy_file(maps / "rollout.png", picture);
  const Finished refused =
      call({"explain", "--model", kT5, "--image", picture.string(), "--instruction", "What?",
            "--answer", "a", "--overlays", maps.string()});
  EXPECT_EQ(refused.exit_code, 2) << refused.err;
  EXPECT_NE(refused.err.find("which is read"), std::string::npos) << refused.err;
  EXPECT_TRUE(fs::exists(picture));
}

TEST(Explain, ByGradients) {
  const Arguments asked = {"explain", "--instruction", "What is it?", "--answer",
                           "a cat",   "--method",      "gradcam"};
  const Finished finished = task(asked + Arguments{"--json"});
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  const Json object = objects(finished.out).at(0);
  const auto count = [&](const char* name) { return object[name].get<std::size_t>(); };
  EXPECT_EQ(object["gradcam"].size(), object["scored"]["tokens"].size() *
                                          object["cross_layers"].size() * count("queries") *
                                          count("positions"));
  EXPECT_EQ(object["relevance"].size(), 0u);
  const Finished text = task(asked);
  ASSERT_EQ(text.exit_code, 0) << text.err;
  EXPECT_EQ(std::ranges::count(text.out, '\n'), 2 + std::ssize(object["scored"]["tokens"]));
  const Finished packed = task(asked + Arguments{"--dtype", "q8"});
  EXPECT_EQ(packed.exit_code, 5);
  EXPECT_NE(packed.err.find("gradcam: weights are packed (q8"), std::string::npos) << packed.err;
}

TEST(ChatCommand, RemembersSavesAndGoesOn) {
  const TempDirectory directory;
  const std::string file = (directory.path() / "chat.json").string();
  Start start = instructblip({"chat", "--model", kT5, "--image", kAstronaut, "--max-new-tokens",
                              "3", "--json", "--save", file});
  start.input = "What is it?\nWho?\n/undo\n/nonsense\nWhere?\n";
  const Finished first = run(start);
  ASSERT_EQ(first.exit_code, 0) << first.err;
  EXPECT_EQ(objects(first.out).size(), 3u);
  const Json turns = Json::parse(text_of(file))["turns"];
  ASSERT_EQ(turns.size(), 2u);
  EXPECT_EQ(turns[0]["question"], "What is it?");
  EXPECT_EQ(turns[1]["question"], "Where?");
  const Finished second = task(
      {"chat", "--max-new-tokens", "3", "--restore", file, "--question", "When?", "--save", file});
  ASSERT_EQ(second.exit_code, 0) << second.err;
  EXPECT_EQ(Json::parse(text_of(file))["turns"].size(), 3u);
  EXPECT_EQ(second.out, Json::parse(text_of(file))["turns"][2]["answer"].get<std::string>() + "\n");
}

// While the command waits for a line, which may never come.
TEST(ChatCommand, CtrlCAtThePromptEndsItAndSaves) {
  const TempDirectory directory;
  directory.make_fifo("typed");
  const int typed = ::open((directory / "typed").c_str(), O_RDWR);
  const fs::path file = directory / "chat.json";
  std::string command = "exec \"$0\" \"$@\" < " + (directory / "typed").string();
  Start start{.command = {"/bin/sh", "-c", command, INSTRUCTBLIP_COMMAND, "chat", "--model", kT5,
                          "--image", kAstronaut, "--max-new-tokens", "3", "--save", file}};
  Process process(start);
  ASSERT_EQ(::write(typed, "Who?\n", 5), 5);
  process.wait_for_output(1);
  process.signal(SIGINT);
  const Finished finished = process.finish();
  EXPECT_EQ(finished.exit_code, 130) << finished.err;
  EXPECT_TRUE(fs::exists(file));
  ::close(typed);
}

}  // namespace
}  // namespace instructblip::test
