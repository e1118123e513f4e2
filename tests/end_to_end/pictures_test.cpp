// Many pictures: from standard input, folders and lists, broken ones among them.
#include <gtest/gtest.h>
#include <signal.h>

#include "end_to_end/command.h"
#include "support/temp_directory.h"

namespace instructblip::test {
namespace {

namespace fs = std::filesystem;

Arguments with_pictures(const std::vector<std::string>& images, const Arguments& more = {}) {
  Arguments arguments = {"run",     "--model",          kT5, "--instruction",
                         kQuestion, "--max-new-tokens", "8"};
  for (const std::string& name : images) arguments = arguments + Arguments{"--image", name};
  return arguments + more;
}

Finished call_with_input(const Arguments& arguments, const std::string& input) {
  Start start = instructblip(arguments);
  start.input = input;
  return run(start);
}

// The values of a field, one for each object.
std::vector<Json> all(const std::vector<Json>& rows, const char* field) {
  std::vector<Json> values;
  for (const Json& row : rows) values.push_back(row.value(field, Json()));
  return values;
}

std::string text_about(const std::string& name, const Arguments& more = {}) {
  const Finished finished = call(with_pictures({name}, more));
  EXPECT_EQ(finished.exit_code, 0) << finished.err;
  return finished.out;
}

// A folder with three pictures, the second cut short, and what else is found in folders.
class FolderTest : public testing::Test {
 protected:
  FolderTest() {
    fs::copy_file(image("coffee.jpg"), folder_ / "a.JPG");
    fs::copy_file(image("chelsea.webp"), folder_ / "c.webp");
    folder_.write("b.jpg", content_of(image("astronaut.jpg")).substr(0, 20'000));
    folder_.write(".hidden.jpg", "");
    folder_.write("notes.txt", "");
    fs::create_directory(folder_ / "more.png");
  }
  std::string file(const std::string& name) const { return folder_ / name; }
  void mend() const {
    fs::copy_file(image("rocket_small.bmp"), folder_ / "b.jpg",
                  fs::copy_options::overwrite_existing);
  }

  TempDirectory folder_;
};

TEST_F(FolderTest, StandsForItsPicturesInTheOrderOfTheirNames) {
  mend();
  const Finished finished = call(with_pictures({folder_.path()}, {"--json"}));
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  const std::vector<Json> rows = objects(finished.out);
  EXPECT_EQ(all(rows, "image"), (std::vector<Json>{file("a.JPG"), file("b.jpg"), file("c.webp")}));
  const Finished apart = call(with_pictures(
      {image("coffee.jpg"), image("rocket_small.bmp"), image("chelsea.webp")}, {"--json"}));
  EXPECT_EQ(all(rows, "tokens"), all(objects(apart.out), "tokens"));
  EXPECT_EQ(finished.err,
            "warning: " + folder_.path().string() +
                ": passed over 1 file (notes.txt) not named as a picture and 1 folder "
                "(more.png)\n");
  EXPECT_EQ(call(with_pictures({folder_.path()}, {"--quiet"})).err, "");
}

TEST_F(FolderTest, TextSaysWhichAnswerIsWhose) {
  mend();
  const std::string a = text_about(image("coffee.jpg")), b = text_about(image("rocket_small.bmp")),
                    c = text_about(image("chelsea.webp"));
  EXPECT_EQ(call(with_pictures({folder_.path()})).out,
            file("a.JPG") + "\t" + a + file("b.jpg") + "\t" + b + file("c.webp") + "\t" + c);
  EXPECT_EQ(call(with_pictures({folder_.path()}, {"--names=false"})).out, a + b + c);
  EXPECT_EQ(call(with_pictures({file("a.JPG"), file("c.webp")})).out, a + c);
  EXPECT_EQ(call(with_pictures({file("a.JPG")}, {"--names"})).out, file("a.JPG") + "\t" + a);
}

TEST_F(FolderTest, ABrokenPictureEndsTheCommandBeforeTheFirstAnswer) {
  for (const Arguments& more : {Arguments{}, {"--json"}}) {
    const Finished finished = call(with_pictures({folder_.path()}, more + Arguments{"--quiet"}));
    EXPECT_EQ(finished.exit_code, 6);
    EXPECT_EQ(finished.out, "");
    EXPECT_TRUE(finished.err.starts_with("error: " + file("b.jpg"))) << finished.err;
    EXPECT_NE(finished.err.find("hint: with --keep-going"), std::string::npos) << finished.err;
  }
}

TEST_F(FolderTest, KeepGoingAnswersAllOthers) {
  const Arguments quiet = {"--keep-going", "--quiet"};
  const Finished text = call(with_pictures({folder_.path()}, quiet));
  EXPECT_EQ(text.exit_code, 3);
  EXPECT_EQ(text.out, file("a.JPG") + "\t" + text_about(image("coffee.jpg")) + file("c.webp") +
                          "\t" + text_about(image("chelsea.webp")));
  EXPECT_EQ(text.err, "error: " + file("b.jpg") +
                          ": JPEG: the file is cut short, download or copy it again\n");
  EXPECT_EQ(std::ranges::count(text.err, '\n'), 1) << text.err;

  const Finished json = call(with_pictures({folder_.path()}, quiet + Arguments{"--json"}));
  EXPECT_EQ(json.exit_code, 3);
  EXPECT_EQ(json.err, text.err);
  const std::vector<Json> rows = objects(json.out);
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(all(rows, "image"), (std::vector<Json>{file("a.JPG"), file("b.jpg"), file("c.webp")}));
  EXPECT_TRUE(rows[1]["error"].get<std::string>().starts_with(file("b.jpg") + ": ")) << rows[1];
  EXPECT_EQ(rows[1]["exit_code"], 6);
  EXPECT_EQ(rows[1].size(), 3u) << rows[1];
  EXPECT_FALSE(rows[2].contains("error"));
  EXPECT_EQ(call(with_pictures({file("a.JPG")}, {"--keep-going"})).exit_code, 0);
}

TEST_F(FolderTest, KeepGoingLeavesWhatIsNoPicturesFaultAsItIs) {
  const Finished options =
      call(with_pictures({folder_.path()}, {"--keep-going", "--num-beams", "65"}));
  EXPECT_EQ(options.exit_code, 2);
  EXPECT_EQ(options.out, "");
  const Finished text = call({"run", "--keep-going", "--model", kT5, "--instruction", "x <image>",
                              "--image", folder_.path()});
  EXPECT_EQ(text.exit_code, 2) << text.err;
  EXPECT_EQ(text.out, "");
}

TEST_F(FolderTest, KeepGoingIsThereForRankAndMatch) {
  const Arguments rest = {"--json", "--keep-going", "--quiet", "--image", folder_.path()};
  const Finished ranked = call(Arguments{"rank", "--model", kT5, "--instruction", "What is it?",
                                         "--candidate", "a", "--candidate", "b"} +
                               rest);
  const Finished matched = call(Arguments{"match", "--model", kMatcher, "--text", "a cup"} + rest);
  for (const Finished& finished : {ranked, matched}) {
    EXPECT_EQ(finished.exit_code, 3) << finished.err;
    const std::vector<Json> rows = objects(finished.out);
    ASSERT_EQ(rows.size(), 3u);
    EXPECT_EQ(all(rows, "image"),
              (std::vector<Json>{file("a.JPG"), file("b.jpg"), file("c.webp")}));
    EXPECT_TRUE(rows[1].contains("error"));
    EXPECT_FALSE(rows[0].contains("error") || rows[2].contains("error"));
  }
}

TEST(Folders, WithoutAPictureSaySo) {
  const TempDirectory folder;
  const Finished empty = call(with_pictures({folder.path()}, {"--keep-going"}));
  EXPECT_EQ(empty.exit_code, 6);
  EXPECT_NE(empty.err.find("no picture in this folder, it is empty"), std::string::npos);
  folder.write("000123", "");
  const Finished others = call(with_pictures({folder.path()}));
  EXPECT_EQ(others.exit_code, 6);
  EXPECT_NE(others.err.find("only 1 file (000123)"), std::string::npos) << others.err;
}

TEST(Folders, OfFramesAreOneRequest) {
  const std::string video = kSource + "/tests/golden/checkpoints/video_t5";
  const Json want = golden_request(video, "greedy");
  const TempDirectory folder;
  for (std::size_t i = 0; i < want["images"].size(); ++i) {
    fs::copy_file(image(want["images"][i]), folder / ("frame" + std::to_string(i) + ".png"));
  }
  const Arguments ask = {"run",
                         "--model",
                         video,
                         "--image",
                         folder.path(),
                         "--instruction",
                         want["instruction"],
                         "--max-new-tokens",
                         want["options"]["max_new_tokens"].dump()};
  const Json answer = objects(call(ask + Arguments{"--json"}).out).at(0);
  EXPECT_EQ(answer["tokens"], want["sequences"][0]["tokens"]);
  EXPECT_EQ(answer["images"].size(), want["images"].size());
  EXPECT_EQ(answer["image"], answer["images"][0]);
  EXPECT_EQ(call(ask).out, want["sequences"][0]["text"].get<std::string>() + "\n");
  EXPECT_EQ(call(ask).err, "");
  fs::copy_file(image("coffee.jpg"), folder / "frame10.png");
  EXPECT_NE(call(ask).err.find("frame10.png before frame2.png; give their numbers the same width"),
            std::string::npos);
}

TEST(ManyPictures, GetAWarningOnce) {
  const Finished finished =
      call(with_pictures({image("coffee.jpg"), image("rocket.jpg")}, {"--temperature", "0.5"}));
  EXPECT_EQ(finished.exit_code, 0);
  EXPECT_EQ(std::ranges::count(finished.err, '\n'), 1) << finished.err;
}

TEST(Lists, AreReadAsOtherProgramsWriteThem) {
  const TempDirectory folder;
  folder.write("list.txt",
               "\xEF\xBB\xBF" + image("coffee.jpg") + "\r\n\r\n  \t\n" + image("chelsea.webp"));
  const std::vector<Json> names = {image("coffee.jpg"), image("chelsea.webp")};
  const Finished file = call(with_pictures({}, {"--json", "--images-from", folder / "list.txt"}));
  ASSERT_EQ(file.exit_code, 0) << file.err;
  EXPECT_EQ(all(objects(file.out), "image"), names);
  const Finished input = call_with_input(with_pictures({}, {"--json", "--images-from", "-"}),
                                         content_of(folder / "list.txt"));
  EXPECT_EQ(all(objects(input.out), "tokens"), all(objects(file.out), "tokens"));
  EXPECT_EQ(call(with_pictures({}, {"--images-from", folder / "list.txt"})).out,
            image("coffee.jpg") + "\t" + text_about(image("coffee.jpg")) + image("chelsea.webp") +
                "\t" + text_about(image("chelsea.webp")));
}

TEST(Lists, GoTogetherWithPicturesInTheOrderGiven) {
  const Finished finished = call_with_input(
      with_pictures({image("rocket_small.bmp")},
                    {"--images-from", "-", "--image", image("chelsea.webp"), "--json"}),
      image("coffee.jpg") + "\n");
  EXPECT_EQ(
      all(objects(finished.out), "image"),
      (std::vector<Json>{image("rocket_small.bmp"), image("coffee.jpg"), image("chelsea.webp")}));
}

TEST(Lists, ThatAreNoneAreNamed) {
  const TempDirectory folder;
  fs::copy_file(image("coffee.jpg"), folder / "a.jpg");
  const auto refusal = [&](const std::string& content, int exit_code) {
    folder.write("list.txt", content);
    const Finished finished = call(with_pictures({}, {"--images-from", folder / "list.txt"}));
    EXPECT_EQ(finished.exit_code, exit_code) << finished.err;
    EXPECT_EQ(finished.out, "");
    return finished.err;
  };
  EXPECT_NE(refusal("\r\n\n", 2).find("one a line, got none"), std::string::npos);
  EXPECT_NE(refusal(std::string("\xFF\xFE"
                                "a\0",
                                4),
                    2)
                .find("UTF-16"),
            std::string::npos);
  EXPECT_NE(refusal(std::string("a.jpg\0b.jpg\0", 12), 2).find("-print0"), std::string::npos);
  EXPECT_NE(refusal("a.jpg\n", 6)
                .find("relative to the working directory, and there is a file " +
                      (folder / "a.jpg").string()),
            std::string::npos);
  EXPECT_NE(refusal("/nonexistent/a.jpg\n", 6).find("/nonexistent/a.jpg"), std::string::npos);
  const Finished none = call(with_pictures({}, {"--images-from", "/nonexistent/list"}));
  EXPECT_EQ(none.exit_code, 2) << none.err;
  EXPECT_NE(none.err.find("/nonexistent/list: cannot be opened"), std::string::npos) << none.err;
}

TEST(StandardInput, MayBeAPicture) {
  const Arguments arguments = with_pictures({"-"}, {"--json"});
  const Finished finished = call_with_input(arguments, content_of(image("coffee.jpg")));
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  const Json answer = objects(finished.out).at(0);
  EXPECT_EQ(answer["image"], "-");
  EXPECT_EQ(answer["tokens"],
            objects(call(with_pictures({image("coffee.jpg")}, {"--json"})).out).at(0)["tokens"]);
  for (const std::string& input : {std::string(), std::string("no picture"),
                                   content_of(image("coffee.jpg")).substr(0, 10'000)}) {
    const Finished refused = call_with_input(arguments, input);
    EXPECT_EQ(refused.exit_code, 6);
    EXPECT_EQ(refused.out, "");
    EXPECT_TRUE(refused.err.starts_with("error: standard input: ")) << refused.err;
    EXPECT_EQ(call_with_input(arguments + Arguments{"--keep-going"}, input).exit_code, 3);
  }
}

// What <(...) of a shell hands over. A pipe with a name of its own may wait for ever.
TEST(Pipes, OfTheShellArePictures) {
  Start start = instructblip(with_pictures({}, {"--json"}));
  const Arguments shell = {"/bin/bash", "-c", "\"$0\" \"$@\" --image <(cat \"$PICTURE\")"};
  start.command = shell + start.command;
  start.environment["PICTURE"] = image("coffee.jpg");
  const Finished finished = run(start);
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_EQ(objects(finished.out).at(0)["tokens"],
            objects(call(with_pictures({image("coffee.jpg")}, {"--json"})).out).at(0)["tokens"]);

  const TempDirectory folder;
  folder.make_fifo("picture.jpg");
  const Finished refused = call(with_pictures({folder / "picture.jpg"}));
  EXPECT_EQ(refused.exit_code, 6);
  EXPECT_NE(refused.err.find("got a pipe"), std::string::npos) << refused.err;
  EXPECT_NE(refused.err.find("--image - < '"), std::string::npos) << refused.err;
}

TEST(StandardInput, TextsMayComeFromWindows) {
  const Arguments ask = {
      "run", "--model",          kT5, "--json", "--image", image("coffee.jpg"), "--instruction",
      "-",   "--max-new-tokens", "4"};
  const Json plain = objects(call_with_input(ask, "What is\nthis?\n").out).at(0);
  const Json windows = objects(call_with_input(ask, "\xEF\xBB\xBFWhat is\r\nthis?\r\n").out).at(0);
  EXPECT_EQ(windows["tokens"], plain["tokens"]);
  EXPECT_EQ(windows["instruction"], "What is\nthis?");
}

TEST(StandardInput, IsReadOnce) {
  const Finished finished = call(with_pictures({"-"}, {"--instruction", "-"}));
  EXPECT_EQ(finished.exit_code, 2);
  EXPECT_NE(finished.err.find("--image - and --instruction - both read it"), std::string::npos)
      << finished.err;
}

// Black, of one bit a pixel, so that the file is small for what it becomes.
void write_bitmap(const fs::path& file, std::uint32_t side) {
  const std::uint32_t bytes = 62 + side * side / 8;
  std::string head = "BM";
  const auto put = [&](std::uint32_t value, int count) {
    for (int i = 0; i < count; ++i) head += static_cast<char>(value >> 8 * i & 255);
  };
  for (const std::uint32_t value : {bytes, 0U, 62U, 40U, side, side}) put(value, 4);
  put(1, 2);
  put(1, 2);
  for (const std::uint32_t value : {0U, side * side / 8, 0U, 0U, 2U, 0U, 0U, 0xFFFFFFU})
    put(value, 4);
  std::ofstream(file, std::ios::binary) << head;
  fs::resize_file(file, bytes);
}

// Two of these are more than is held: the head alone of what comes behind them is read first.
class ManyPicturesTest : public testing::Test {
 protected:
  ManyPicturesTest() {
    write_bitmap(folder_ / "1.bmp", 6912);
    write_bitmap(folder_ / "2.bmp", 6912);
  }
  Finished ask_with_third(const std::string& content) const {
    folder_.write("3.jpg", content);
    return call(with_pictures({folder_.path()}, {"--max-new-tokens", "2"}));
  }
  TempDirectory folder_;
};

TEST_F(ManyPicturesTest, AreCheckedBeforeTheFirstAnswer) {
  const Finished finished = ask_with_third("no picture");
  EXPECT_EQ(finished.exit_code, 6);
  EXPECT_EQ(finished.out, "");
  EXPECT_NE(finished.err.find("3.jpg: not a picture"), std::string::npos) << finished.err;
}

TEST_F(ManyPicturesTest, AreDecodedWhenTheirTurnComes) {
  const std::string whole = content_of(image("coffee.jpg"));
  const Finished answered = ask_with_third(whole);
  EXPECT_EQ(answered.exit_code, 0) << answered.err;
  EXPECT_EQ(std::ranges::count(answered.out, '\n'), 3);
  const Finished damaged = ask_with_third(whole.substr(0, whole.size() / 2));
  EXPECT_EQ(damaged.exit_code, 6);
  EXPECT_EQ(std::ranges::count(damaged.out, '\n'), 2) << damaged.out;
  EXPECT_NE(damaged.err.find("3.jpg"), std::string::npos) << damaged.err;
}

TEST(ManyPictures, EndWithCtrlC) {
  Process process(
      instructblip({"run", "--model", kT5, "--json", "--instruction", kQuestion, "--image",
                    image("coffee.jpg"), "--image", image("rocket.jpg"), "--image",
                    image("chelsea.webp"), "--min-new-tokens=4096", "--max-new-tokens=4096"}));
  process.wait_for_output(100);  // the first answer, as soon as it is complete
  process.signal(SIGINT);
  const Finished finished = process.finish();
  EXPECT_EQ(finished.exit_code, 130) << finished.err;
  const std::vector<Json> rows = objects(finished.out);
  ASSERT_GE(rows.size(), 1u);
  ASSERT_LE(rows.size(), 2u);
  EXPECT_EQ(rows[0]["finish_reason"], "length");
  if (rows.size() == 2) {
    EXPECT_EQ(rows[1]["finish_reason"], "cancelled");
  }
}

TEST(ManyPictures, EndWhereNobodyReads) {
  Start start = instructblip(with_pictures(std::vector<std::string>(50, image("coffee.jpg")),
                                           {"--min-new-tokens=2000", "--max-new-tokens=2000"}));
  start.close_stdout_reader = true;
  const Finished finished = run(start);
  EXPECT_EQ(finished.exit_code, 0);
  EXPECT_EQ(finished.err, "");
}

}  // namespace
}  // namespace instructblip::test
