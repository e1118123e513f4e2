// instructblip batch.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <set>
#include <sstream>
#include <thread>

#include "end_to_end/command.h"
#include "support/temp_directory.h"

namespace instructblip::test {
namespace {

namespace fs = std::filesystem;

std::string text_of(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  std::stringstream text;
  text << stream.rdbuf();
  return text.str();
}

class Batch : public testing::Test {
 protected:
  const TempDirectory directory_;
  const fs::path in_ = directory_.path() / "in.jsonl", out_ = directory_.path() / "out.jsonl";

  void write(const std::vector<Json>& items) const {
    std::ofstream stream(in_);
    for (const Json& item : items) stream << item.dump() << "\n";
  }
  // So many questions about two pictures; the first comes twice.
  std::vector<Json> questions(int count) const {
    std::vector<Json> items;
    for (int i = 0; i < count; ++i) {
      items.push_back({{"id", i},
                       {"image", image(i % 2 ? "astronaut.jpg" : "coffee.jpg")},
                       {"instruction", "Question " + std::to_string(i == 2 ? 0 : i) + "?"}});
    }
    return items;
  }
  Start start(const Arguments& more = {}) const {
    return instructblip(Arguments{"batch", in_.string(), "-o", out_.string(), "--model", kT5,
                                  "--max-new-tokens", "6"} +
                        more);
  }
  std::vector<Json> rows() const { return objects(text_of(out_)); }
};

TEST_F(Batch, AnswersEveryItemAsRunDoes) {
  write(questions(5));
  const Finished finished = run(start({"--json"}));
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_EQ(finished.out, "{\"written\":5,\"kept\":0,\"errors\":0}\n");
  const std::vector<Json> all = rows();
  ASSERT_EQ(all.size(), 5u);
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(all[i]["index"], i);
    EXPECT_EQ(all[i]["id"], i);
  }
  EXPECT_EQ(all[0]["key"], all[2]["key"]);
  EXPECT_NE(all[0]["key"], all[4]["key"]);
  const Finished alone = call({"run", "--model", kT5, "--image", image("astronaut.jpg"),
                               "--instruction", "Question 3?", "--max-new-tokens", "6", "--json"});
  EXPECT_EQ(all[3]["tokens"], objects(alone.out).at(0)["tokens"]);
}

TEST_F(Batch, FailuresAreRowsAndAreTriedAgain) {
  std::vector<Json> items = questions(2);
  const fs::path late = directory_.path() / "late.jpg";
  const Json missing = {{"image", late.string()}, {"instruction", "What?"}};
  items.insert(items.begin() + 1, missing);
  const Json unasked = {{"image", image("coffee.jpg")}};
  items.push_back(unasked);
  items.push_back({{"image", image("coffee.jpg")}, {"instruction", "x"}, {"beams", 5}});
  write(items);
  const Finished first = run(start());
  EXPECT_EQ(first.exit_code, 3) << first.err;
  std::vector<Json> all = rows();
  ASSERT_EQ(all.size(), 5u);
  EXPECT_EQ(all[1]["exit_code"], 6);
  EXPECT_NE(all[3]["error"].get<std::string>().find("\"instruction\" is missing"),
            std::string::npos);
  EXPECT_NE(all[4]["error"].get<std::string>().find("unknown key \"beams\""), std::string::npos);
  fs::copy_file(kAstronaut, late);
  const Finished second = run(start({"--resume", "--json"}));
  EXPECT_EQ(second.exit_code, 3);
  EXPECT_EQ(second.out, "{\"written\":3,\"kept\":2,\"errors\":2}\n");
  all = rows();
  ASSERT_EQ(all.size(), 5u);
  std::set<std::size_t> indices;
  for (const Json& row : all) indices.insert(row["index"].get<std::size_t>());
  EXPECT_EQ(indices.size(), 5u);
}

TEST_F(Batch, TellsWhatFailedFirst) {
  write({{{"image", image("coffee.jpg")}, {"instruction", "x"}},
         {{"image", (directory_.path() / "none.jpg").string()}, {"instruction", "x"}}});
  for (const Arguments& more : {Arguments{}, Arguments{"--quiet"}}) {
    fs::remove(out_);
    const Finished finished = run(start(more));
    EXPECT_EQ(finished.exit_code, 3);
    EXPECT_NE(finished.err.find("1 of 2 items failed, the first: item 1: "), std::string::npos)
        << finished.err;
    EXPECT_NE(finished.err.find("none.jpg"), std::string::npos) << finished.err;
  }
}

TEST_F(Batch, WaitsForNoPipe) {
  const fs::path pipe = directory_.path() / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  write({{{"image", pipe.string()}, {"instruction", "x"}},
         {{"video", pipe.string()}, {"instruction", "x"}}});
  EXPECT_EQ(run(start()).exit_code, 3);
  ASSERT_EQ(rows().size(), 2u);
  for (const Json& row : rows()) {
    EXPECT_NE(row["error"].get<std::string>().find("expected a regular file"), std::string::npos);
  }
  fs::remove(out_);
  ASSERT_EQ(::mkfifo(out_.c_str(), 0600), 0);
  const Finished finished = run(start({"--resume"}));
  EXPECT_EQ(finished.exit_code, 2);
  EXPECT_NE(finished.err.find("expected a regular file"), std::string::npos) << finished.err;
}

// The rest of the file, another one that happens to have such a name, and a link stay.
TEST_F(Batch, ResumeReplacesTheErrorsAlone) {
  std::vector<Json> items = questions(1);
  items.push_back({{"image", "none.jpg"}, {"instruction", "x"}});
  write(items);
  const fs::path link = directory_.path() / "link.jsonl", part = out_.string() + ".part";
  EXPECT_EQ(run(start()).exit_code, 3);
  std::ofstream(part) << "mine";
  fs::create_symlink(out_, link);
  const Finished finished = call({"batch", in_.string(), "-o", link.string(), "--model", kT5,
                                  "--max-new-tokens", "6", "--resume", "--json"});
  EXPECT_EQ(finished.out, "{\"written\":1,\"kept\":1,\"errors\":1}\n") << finished.err;
  EXPECT_TRUE(fs::is_symlink(link));
  EXPECT_EQ(text_of(part), "mine");
  EXPECT_EQ(rows().size(), 2u);
}

TEST_F(Batch, NothingIsOverwritten) {
  write(questions(1));
  ASSERT_EQ(run(start()).exit_code, 0);
  const std::string before = text_of(out_);
  const Finished again = run(start());
  EXPECT_EQ(again.exit_code, 2);
  EXPECT_NE(again.err.find("--resume goes on"), std::string::npos) << again.err;
  EXPECT_EQ(text_of(out_), before);
}

// Lines that are no answers are another file's, such as the requests themselves.
TEST_F(Batch, ResumeLeavesOtherFilesAlone) {
  write(questions(2));
  const std::string before = text_of(in_);
  const Finished finished = call(
      {"batch", "--model", kT5, "--input", in_.string(), "--output", in_.string(), "--resume"});
  EXPECT_EQ(finished.exit_code, 2);
  EXPECT_NE(finished.err.find("which is read"), std::string::npos) << finished.err;
  EXPECT_EQ(text_of(in_), before);
  for (const std::string& other : {before, std::string("{\"version\": 1}"), std::string("text")}) {
    std::ofstream(out_) << other;
    const Finished refused = run(start({"--resume"}));
    EXPECT_EQ(refused.exit_code, 2);
    EXPECT_NE(refused.err.find("line 1: expected an answer of batch"), std::string::npos)
        << refused.err;
    EXPECT_EQ(text_of(out_), other);
  }
  fs::remove(out_);
  const Finished two = run(start({"--instruction", "a", "--instruction", "b"}));
  EXPECT_EQ(two.exit_code, 2);
  EXPECT_NE(two.err.find("expected one --instruction, got 2"), std::string::npos) << two.err;
}

TEST_F(Batch, OtherOptionsAreOtherAnswers) {
  write(questions(2));
  ASSERT_EQ(run(start()).exit_code, 0);
  const Finished other = run(start({"--num-beams", "2", "--resume", "--json"}));
  EXPECT_EQ(other.out, "{\"written\":2,\"kept\":0,\"errors\":0}\n");
  EXPECT_EQ(rows().size(), 4u);
}

// Killed in the middle, with a line cut short: no answer is lost, none comes twice.
TEST_F(Batch, GoesOnWhereItWasKilled) {
  constexpr int kItems = 120;
  write(questions(kItems));
  ASSERT_EQ(run(start()).exit_code, 0);
  const std::vector<Json> whole = rows();
  fs::remove(out_);
  const auto lines = [&] { return fs::exists(out_) ? std::ranges::count(text_of(out_), '\n') : 0; };
  for (int tries = 0; tries == 0 || (lines() == kItems && tries < 10); ++tries) {  // too late
    fs::remove(out_);
    Process process(start());
    const auto late = std::chrono::steady_clock::now() + std::chrono::minutes(2);
    while (lines() < kItems / 10 && std::chrono::steady_clock::now() < late) {
      std::this_thread::yield();
    }
    process.signal(SIGKILL);
    process.finish();
  }
  const std::ptrdiff_t before = lines();
  ASSERT_GE(before, kItems / 10);
  ASSERT_LT(before, kItems);
  std::ofstream(out_, std::ios::app) << "{\"key\":\"cut sho";
  const Finished finished = run(start({"--resume", "--json"}));
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_EQ(Json::parse(finished.out)["kept"], before);
  std::vector<Json> all = rows();
  ASSERT_EQ(all.size(), whole.size());
  std::ranges::sort(all, {}, [](const Json& row) { return row["index"].get<int>(); });
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(all[i]["key"], whole[i]["key"]);
    EXPECT_EQ(all[i]["tokens"], whole[i]["tokens"]);
  }
}

TEST_F(Batch, LinesThatWouldLoseSomethingAreErrors) {
  const std::string rest = R"(, "image": ")" + kAstronaut + R"("})";
  std::ofstream(in_) << R"({"instruction": "a", "instruction": "b")" << rest << "\n"
                     << R"({"id": 123456789012345678901234567890, "instruction": "a")" << rest
                     << "\n"
                     << R"({"id": -12345678901, "instruction": "a")" << rest << "\n"
                     << R"({"instruction": "a", "image": ")" << kAstronaut << R"(\u0000x"})"
                     << "\n";
  EXPECT_EQ(run(start()).exit_code, 3);
  const std::vector<Json> all = rows();
  ASSERT_EQ(all.size(), 4u);
  const auto error_of = [&](std::size_t row) { return all[row].value("error", std::string()); };
  EXPECT_NE(error_of(0).find("key \"instruction\" is there twice"), std::string::npos);
  EXPECT_NE(error_of(1).find("id: expected"), std::string::npos) << error_of(1);
  EXPECT_EQ(all[2]["id"], -12345678901);
  EXPECT_NE(error_of(3).find("NUL"), std::string::npos) << error_of(3);
}

// Two that write one file would each answer every item.
TEST_F(Batch, OneProcessWritesAFile) {
  write(questions(200));
  Process first(start());
  const auto late = std::chrono::steady_clock::now() + std::chrono::minutes(2);
  while (!fs::exists(out_)) {  // it is locked as soon as it is there
    ASSERT_LT(std::chrono::steady_clock::now(), late);
    std::this_thread::yield();
  }
  first.signal(SIGSTOP);
  const Finished second = run(start({"--resume"}));
  first.signal(SIGCONT);
  EXPECT_EQ(second.exit_code, 2) << second.err;
  EXPECT_NE(second.err.find("another process is writing it"), std::string::npos) << second.err;
  EXPECT_EQ(first.finish().exit_code, 0);
  EXPECT_EQ(rows().size(), 200u);
  const Finished third = run(start({"--resume", "--json"}));
  EXPECT_EQ(third.out, "{\"written\":0,\"kept\":200,\"errors\":0}\n") << third.err;
}

TEST_F(Batch, TakesAFolder) {
  const fs::path folder = directory_.path() / "pictures";
  fs::create_directory(folder);
  fs::copy_file(kAstronaut, folder / "b.jpg");
  fs::copy_file(image("coffee.jpg"), folder / "a.jpg");
  const Finished finished = call({"batch", folder.string(), "-o", out_.string(), "--model", kT5,
                                  "--instruction", "What?", "--max-new-tokens", "3"});
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  ASSERT_EQ(rows().size(), 2u);
  EXPECT_EQ(rows()[0]["image"], (folder / "a.jpg").string());
}

}  // namespace
}  // namespace instructblip::test
