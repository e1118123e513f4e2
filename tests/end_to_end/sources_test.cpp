// Weights from several places on the command line, and the directory that is made of them.
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <thread>

#include "end_to_end/command.h"
#include "support/temp_directory.h"

namespace instructblip::test {
namespace {

namespace fs = std::filesystem;

const std::string kAdapters = kSource + "/tests/golden/adapters/";

Json adapter_golden(const std::string& name) {
  std::ifstream file(kAdapters + name + "/golden.json");
  return Json::parse(file);
}

TEST(Lora, AnswersAsPeftMerged) {
  for (const char* name : {"t5_whole", "t5_again"}) {
    const Json golden = adapter_golden(name);
    const Json want = golden["requests"][0];
    Arguments arguments = arguments_of(kT5, want) + Arguments{"--json"};
    for (const Json& adapter : golden["adapters"]) {
      arguments.insert(arguments.end(), {"--lora", kAdapters + adapter.get<std::string>()});
    }
    const Finished finished = call(arguments);
    ASSERT_EQ(finished.exit_code, 0) << finished.err;
    EXPECT_EQ(objects(finished.out).at(0)["tokens"], want["sequences"][0]["tokens"]) << name;
  }
}

TEST(Lora, IsNamedByInfo) {
  const std::string adapter = kAdapters + "t5_whole";
  const Json info =
      objects(call({"info", "--model", kT5, "--lora", adapter, "--json", "--tensors"}).out).at(0);
  bool found = false;
  for (const Json& tensor : info["tensors"]) {
    if (tensor["name"] != "language_projection.bias") continue;
    EXPECT_EQ(tensor["file"], adapter + "/adapter_model.safetensors");
    found = true;
  }
  EXPECT_TRUE(found);
}

TEST(Sources, ThatDoNotFitAreAnErrorOfTheModel) {
  const TempDirectory directory;
  for (const Arguments& options : {Arguments{"--overlay", directory / "nowhere.pth"},
                                   {"--lora", kT5},
                                   {"--language-model", kT5},
                                   {"--overlay", kAdapters + "t5_whole"}}) {
    const Finished finished = call(ask(options));
    EXPECT_EQ(finished.exit_code, 5) << finished.err;
    EXPECT_EQ(finished.out, "");
    EXPECT_NE(finished.err.find("hint: "), std::string::npos) << finished.err;
  }
}

// A folder that a training has left is named, with what to do, before anything is answered.
TEST(Sources, OfATrainingAreNamed) {
  const TempDirectory directory;
  fs::create_directory(directory / "global_step500");
  for (const char* option : {"--overlay", "--language-model"}) {
    const Finished finished = call(ask({option, directory.path()}));
    EXPECT_EQ(finished.exit_code, 5) << finished.err;
    EXPECT_EQ(finished.out, "");
    EXPECT_NE(finished.err.find("zero_to_fp32.py"), std::string::npos) << finished.err;
  }
}

TEST(Convert, WritesADirectoryThatAnswersAlike) {
  const TempDirectory directory;
  const std::string output = directory / "whole";
  const Finished converted = call({"convert", "--model", kT5, "--lora", kAdapters + "t5_whole",
                                   "--output", output, "--max-shard-size", "50KB", "--json"});
  ASSERT_EQ(converted.exit_code, 0) << converted.err;
  const Json report = objects(converted.out).at(0);
  EXPECT_GT(report["files"], 1);
  EXPECT_EQ(report["tensors"], 175);
  const Json want = adapter_golden("t5_whole")["requests"][0];
  const Finished finished = call(arguments_of(output, want) + Arguments{"--json"});
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_EQ(objects(finished.out).at(0)["tokens"], want["sequences"][0]["tokens"]);

  const Finished again = call({"convert", "--model", kT5, "--output", output});
  EXPECT_EQ(again.exit_code, 2);
  EXPECT_NE(again.err.find("there is something of this name already"), std::string::npos);
  EXPECT_EQ(again.out, "");
}

TEST(Convert, TakesChatTemplatesAlong) {
  const TempDirectory directory;
  const fs::path model = directory.path() / "model", output = directory.path() / "whole";
  fs::copy(kSource + "/tests/golden/checkpoints/llava_hub", model, fs::copy_options::recursive);
  fs::create_directory(model / "chat_templates");
  directory.write("model/chat_template.jinja", "a");
  directory.write("model/chat_templates/tool_use.jinja", "b");
  directory.write("model/chat_templates/notes.md", "c");
  const Finished converted = call({"convert", "--model", model, "-o", output});
  ASSERT_EQ(converted.exit_code, 0) << converted.err;
  EXPECT_EQ(content_of(output / "chat_template.jinja"), "a");
  EXPECT_EQ(content_of(output / "chat_templates" / "tool_use.jinja"), "b");
  EXPECT_FALSE(fs::exists(output / "chat_templates" / "notes.md"));
}

TEST(Convert, TakesSizesWithUnits) {
  const TempDirectory directory;
  for (const char* size : {"0", "-1", "GB", "4gb", "1.5GB", "99999999999GB", ""}) {
    const Finished finished = call({"convert", "--model", kT5, "--output", directory / "whole",
                                    std::string("--max-shard-size=") + size});
    EXPECT_EQ(finished.exit_code, 2) << size;
    EXPECT_NE(finished.err.find("--max-shard-size: expected a number of bytes"), std::string::npos)
        << finished.err;
  }
}

// Files and folders in `directory` and in its folders, one of which may just be renamed.
int count_of(const fs::path& directory) {
  int count = 0;
  std::error_code changed;
  for (fs::recursive_directory_iterator at(directory, changed), end; at != end && !changed;) {
    ++count;
    at.increment(changed);
  }
  return count;
}

void wait_for_content(const fs::path& directory, int count) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (count_of(directory) < count && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::yield();
  }
  ASSERT_GE(count_of(directory), count);
}

// Killed at any number of files: what has the final name is whole.
TEST(Convert, LeavesNothingHalfWrittenWhereItIsKilled) {
  int killed = 0;
  for (int files = 0; files < 12; ++files) {
    const TempDirectory directory;
    Process process(instructblip({"convert", "--model", kVicuna, "--output", directory / "whole",
                                  "--max-shard-size", "20KB"}));
    wait_for_content(directory.path(), 1 + files);
    process.signal(SIGKILL);
    if (process.finish().exit_code == 128 + SIGKILL) ++killed;
    if (!fs::exists(directory / "whole")) continue;
    EXPECT_EQ(call({"info", "--model", directory / "whole", "--quiet"}).exit_code, 0) << files;
  }
  EXPECT_GT(killed, 0);
}

TEST(Convert, EndsWithCtrlC) {
  const TempDirectory directory;
  Process process(instructblip(
      {"convert", "--model", kVicuna, "--output", directory / "whole", "--max-shard-size", "1KB"}));
  wait_for_content(directory.path(), 1);
  process.signal(SIGINT);
  const Finished finished = process.finish();
  if (finished.exit_code == 0) return;  // it was faster
  EXPECT_EQ(finished.exit_code, 130) << finished.err;
  EXPECT_FALSE(fs::exists(directory / "whole"));
}

}  // namespace
}  // namespace instructblip::test
