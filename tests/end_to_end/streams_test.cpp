// What a shell does to the command's streams, and Ctrl-C.
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <filesystem>

#include "end_to_end/command.h"
#include "support/temp_directory.h"

namespace instructblip::test {
namespace {

// Long enough to be interrupted on any machine.
Arguments endless(const Arguments& more = {}) {
  return Arguments{"run",
                   "--model",
                   kT5,
                   "--image",
                   image("rocket.jpg"),
                   "--instruction",
                   kQuestion,
                   "--max-new-tokens=4096",
                   "--min-new-tokens=4096"} +
         more;
}

TEST(Streams, AnswersGrowWhileTheyAreGenerated) {
  Process process(instructblip(endless()));
  process.wait_for_output(1);
  process.signal(SIGINT);
  const Finished finished = process.finish();
  EXPECT_EQ(finished.exit_code, 130) << finished.err;
  EXPECT_TRUE(finished.out.ends_with('\n'));
  EXPECT_GT(finished.out.size(), 1u);

  // What was printed is a part of the answer: its beginning.
  const Finished whole = call(endless({"--max-new-tokens=64", "--min-new-tokens=64"}));
  const std::size_t common = std::min(finished.out.size(), whole.out.size()) - 1;
  EXPECT_EQ(finished.out.substr(0, common), whole.out.substr(0, common));
}

TEST(Streams, EndAsByCtrlCWhereOthersEndThem) {
  for (const int signal : {SIGTERM, SIGHUP}) {
    Process process(instructblip(endless()));
    process.wait_for_output(1);
    process.signal(signal);
    const Finished finished = process.finish();
    EXPECT_EQ(finished.exit_code, 128 + signal) << finished.err;
    EXPECT_TRUE(finished.out.ends_with('\n'));
  }
}

TEST(Streams, CtrlCEndsJsonWithAnObjectThatSaysSo) {
  Arguments more = {"--json"};
  for (int i = 0; i < 50; ++i) more = more + Arguments{"--image", image("coffee.jpg")};
  Start start = instructblip(endless(more));
  start.stderr_is_terminal = true;  // where the progress line says that tokens come
  start.environment["TERM"] = "xterm";
  Process process(start);
  process.wait_for_error_output("tokens");
  process.signal(SIGINT);
  const Finished finished = process.finish();
  EXPECT_EQ(finished.exit_code, 130) << finished.err;
  const std::vector<Json> all = objects(finished.out);
  ASSERT_GE(all.size(), 1u);
  ASSERT_LT(all.size(), 51u);
  // Or it came between two answers.
  const bool is_whole = all.back()["tokens"].size() == 4096;
  EXPECT_EQ(all.back()["finish_reason"], is_whole ? "length" : "cancelled");
}

TEST(Streams, APipeThatNobodyReadsEndsQuietly) {
  for (const Arguments& arguments : {endless(), ask({"--json"}), ask({"--num-beams=2"})}) {
    Start start = instructblip(arguments);
    start.close_stdout_reader = true;
    const auto begin = std::chrono::steady_clock::now();
    const Finished finished = run(start);
    EXPECT_EQ(finished.exit_code, 0);
    EXPECT_EQ(finished.err, "");
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(60));
  }
}

TEST(Streams, AStandardOutputThatIsClosedEndsQuietly) {
  Start start = instructblip(ask());
  start.close_stdout = true;
  const Finished finished = run(start);
  EXPECT_EQ(finished.exit_code, 0);
  EXPECT_EQ(finished.err, "");
}

TEST(Streams, AFullDiskIs1) {
  for (const Arguments& arguments : {ask(), ask({"--json"}), Arguments{"--version"}}) {
    Start start = instructblip(arguments);
    start.stdout_file = "/dev/full";
    const Finished finished = run(start);
    EXPECT_EQ(finished.exit_code, 1);
    EXPECT_NE(finished.err.find("standard output cannot be written"), std::string::npos)
        << finished.err;
  }
}

TEST(Streams, NoProgressOffATerminal) {
  EXPECT_EQ(call(endless({"--max-new-tokens=600", "--min-new-tokens=600"})).err, "");
}

// LibTorch ends the process in both.
TEST(Streams, AWorkingDirectoryThatIsGoneAndTooLittleMemoryAreErrors) {
  const auto from = [](const std::string& script) {
    const Start plain = instructblip(ask());
    Start start{.command = {"/bin/sh", "-c", script + "; exec \"$@\"", "sh"}};
    start.command.insert(start.command.end(), plain.command.begin(), plain.command.end());
    return run(start);
  };
  const TempDirectory directory;
  const std::string gone = directory / "gone";
  const Finished nowhere = from("mkdir " + gone + "; cd " + gone + "; rmdir " + gone);
  EXPECT_EQ(nowhere.exit_code, 5);
  EXPECT_NE(nowhere.err.find("the working directory: expected one that exists"), std::string::npos)
      << nowhere.err;
  const Finished little = from("ulimit -v 300000");
  EXPECT_EQ(little.exit_code, 7);
  EXPECT_NE(little.err.find("address space: expected a limit of "), std::string::npos)
      << little.err;
}

// Weights in float32 are read where the file is mapped.
TEST(Streams, AModelsFileThatIsCutWhileItIsInUseIsNamed) {
  const TempDirectory directory;
  const std::string model = kSource + "/tests/golden/checkpoints/t5_2023";
  std::filesystem::copy(model, directory.path(), std::filesystem::copy_options::recursive);
  Process process(instructblip({"run", "--model", directory.path().string(), "--image",
                                image("astronaut.jpg"), "--instruction", kQuestion,
                                "--max-new-tokens", "4096", "--suppress-tokens", "1"}));
  process.wait_for_output(1);
  for (const auto& entry : std::filesystem::directory_iterator(directory.path())) {
    if (entry.path().extension() == ".safetensors") std::filesystem::resize_file(entry, 0);
  }
  const Finished finished = process.finish();
  EXPECT_EQ(finished.exit_code, 5);
  EXPECT_NE(finished.err.find(directory.path().string()), std::string::npos) << finished.err;
  EXPECT_NE(finished.err.find(".safetensors: became shorter"), std::string::npos) << finished.err;
}

}  // namespace
}  // namespace instructblip::test
