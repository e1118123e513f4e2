// Every way to call the command wrongly: exit code, message, and nothing on standard output.
#include <gtest/gtest.h>

#include <fstream>

#include "end_to_end/command.h"
#include "support/temp_directory.h"

namespace instructblip::test {
namespace {

struct Row {
  const char* name;
  Arguments arguments;
  int exit_code;
  const char* message;  // a part of what standard error has to say
};

void PrintTo(const Row& row, std::ostream* out) { *out << row.name; }

class ExitCodeTest : public testing::TestWithParam<Row> {};

TEST_P(ExitCodeTest, SaysWhyAndLeavesStandardOutputEmpty) {
  const Row& row = GetParam();
  const Finished finished = call(row.arguments);
  EXPECT_EQ(finished.exit_code, row.exit_code) << finished.err;
  EXPECT_EQ(finished.out, "");
  EXPECT_EQ(finished.err.substr(0, 7), "error: ") << finished.err;
  EXPECT_NE(finished.err.find(row.message), std::string::npos) << finished.err;
}

std::string name_of(const testing::TestParamInfo<Row>& info) { return info.param.name; }

const std::string kMissing = "/nonexistent/there";
const std::string kNotAnImage = kSource + "/LICENSE";
const std::string kNotUtf8 = "caf\xE9";
const std::string kTooLong(4000, 'x');

std::string words(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += "what is this ";
  return text;
}

Arguments with_image(const std::string& file) {
  return {"run", "--model", kT5, "--image", file, "--instruction", kQuestion};
}
Arguments with_instruction(const std::string& text) {
  return {"run", "--model", kT5, "--image", image("coffee.jpg"), "--instruction", text};
}

INSTANTIATE_TEST_SUITE_P(
    Usage, ExitCodeTest,
    testing::Values(
        Row{"NoCommand", {}, 2, "no command"},
        Row{"UnknownCommand", {"rum"}, 2, "did you mean run?"},
        Row{"UnknownGlobalOption", {"--verison"}, 2, "did you mean --version?"},
        Row{"UnknownOption", ask({"--frobnicate"}), 2, "unknown option '--frobnicate'"},
        Row{"MisspeltOption", ask({"--num-beam", "3"}), 2, "did you mean --num-beams?"},
        Row{"SwappedLetters", ask({"--sede=3"}), 2, "did you mean --seed?"},
        Row{"OptionOfAnotherCommand", ask({"--tensors"}), 2, "unknown option '--tensors'"},
        Row{"ASingleDash", ask({"-seed", "3"}), 2,
            "unknown option '-seed'\n  hint: did you mean --seed?"},
        Row{"TwoDashes", ask({"--", "a.jpg"}), 2, "unknown option '--'"},
        Row{"TwoPluses", ask({"++"}), 2, "unexpected argument '++'"},
        Row{"BehindASwitch", ask({"--do-sample", "true"}), 2, "--do-sample=true|false"},
        Row{"ValueOfALetter", ask({"-v=3"}), 2, "'-v"},
        Row{"EmptyValueInFront",
            {"run", "--seed=", "--model", kT5},
            2,
            "--seed: expected an integer from 0"},
        Row{"EmptyOptionalValue", ask({"--do-sample="}), 2, "expected true or false, got ''"},
        Row{"BracesAsAValue", ask({"--do-sample={}"}), 2, "expected true or false, got '{}'"},
        Row{"KernelThatWouldNotRun",
            ask({"--kernels", "packed_linear=portable", "--numerics", "reference"}), 2,
            "kernels: expected no kernel of packed_linear with numerics reference, got portable"},
        Row{"PolicyOfBenchWithoutFewBits",
            {"bench", "--synthetic", "tiny-t5", "--dtype", "f16", "--policy", "vision=q8"},
            2,
            "policy: expected none where weights are not held as q8 or q4"},
        Row{"Threads", ask({"--threads=-3"}), 2,
            "error: --threads: expected a number in [0, 1024]"},
        Row{"ReadSize",
            {"bench", "--synthetic", "tiny-t5", "--read-size=3"},
            2,
            "error: --read-size: expected 1 MiB at least"},
        Row{"UnknownLetter", ask({"-x"}), 2, "unknown option '-x'"},
        Row{"Prompt", ask({"--prompt", "x"}), 2, "did you mean --instruction?"},
        Row{"LetterOfPrompt", ask({"-p", "x"}), 2, "did you mean --instruction?"},
        Row{"LetterOfImage", ask({"-i", "x"}), 2, "did you mean --image?"},
        Row{"LetterOfModel", {"run", "-m", "x"}, 2, "did you mean --model?"},
        Row{"Question", ask({"--question=x"}), 2, "did you mean --instruction?"},
        Row{"MaxTokens", ask({"--max-tokens", "3"}), 2, "did you mean --max-new-tokens?"},
        Row{"MaxLength", ask({"--max-length=3"}), 2,
            "did you mean --max-new-tokens? (it counts the tokens of the answer alone;"},
        Row{"Underscores", ask({"--num_beams", "3"}), 2, "did you mean --num-beams?"},
        Row{"MoreUnderscores", ask({"--max_length", "3"}), 2, "did you mean --max-new-tokens?"},
        Row{"Beam", ask({"--beam", "3"}), 2, "did you mean --num-beams?"},
        Row{"Temp", ask({"--temp", "0.2"}), 2, "did you mean --temperature?"},
        Row{"PromptOfTokenize", {"tokenize", "--prompt", "x"}, 2, "did you mean --text?"},
        Row{"OptionOfRank", ask({"--candidate", "x"}), 2, "--candidate is an option of rank"},
        Row{"PicturesOfAGlob", ask({"--image", "a.jpg", "b.jpg"}), 2, "--images-from"},
        Row{"StrayArgument", ask({"picture.jpg"}), 2, "unexpected argument 'picture.jpg'"},
        Row{"StrayPicture",
            {"run", "--model", kT5, image("coffee.jpg")},
            2,
            "did you mean --image /"},
        Row{"StrayModel", {"info", kT5}, 2, "did you mean --model /"},
        Row{"OptionBeforeTheCommand",
            {"--model", kT5, "run"},
            2,
            "the command comes first: instructblip run --model ..."},
        Row{"VersionAsACommand", {"version"}, 2, "did you mean --version?"},
        Row{"PixelsBelowOne", ask({"--max-pixels=0"}), 2,
            "expected an integer of at least 1, got '0'"},
        Row{"StrayDash", ask({"-"}), 2, "unexpected argument '-'"},
        Row{"NoModel", {"run", "--image", "a.jpg", "--instruction", "x"}, 2, "--model is missing"},
        Row{"NoImage", {"run", "--model", kT5, "--instruction", "x"}, 2, "--image is missing"},
        Row{"NoInstruction",
            {"run", "--model", kT5, "--image", "x"},
            2,
            "--instruction is missing"},
        Row{"PictureAndFeatures",
            {"run", "--model", kT5, "--image", "x", "--features", "y"},
            2,
            "expected --image or --features, got both"},
        Row{"NoFeatures",
            {"run", "--model", kT5, "--features", kMissing, "--instruction", "x"},
            6,
            "cannot be opened"},
        Row{"NoOutput", {"features", "--model", kT5, "--image", "x"}, 2, "--output is missing"},
        Row{"NoText", {"tokenize", "--model", kT5}, 2, "--text is missing"},
        Row{"ValueMissing", ask({"--seed"}), 2, "--seed: expected a value"},
        Row{"ValueOfASwitch", ask({"--json=yes"}), 2, "--json takes no value"},
        Row{"EmptyModel", {"info", "--model="}, 2, "--model: expected a path"},
        Row{"EmptyImage", with_image(""), 2, "--image: expected a path"}),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    Values, ExitCodeTest,
    testing::Values(
        Row{"TrailingLetters", ask({"--num-beams", "16x"}), 2, "expected an integer, got '16x'"},
        Row{"ExponentInAnInteger", ask({"--max-new-tokens=1e3"}), 2, "got '1e3'"},
        Row{"FractionInAnInteger", ask({"--top-k=1.0"}), 2, "--top-k: expected an integer"},
        Row{"EmptyInteger", ask({"--max-new-tokens="}), 2, "--max-new-tokens: expected an integer"},
        Row{"LeadingSpace", ask({"--num-beams", " 2"}), 2, "got ' 2'"},
        Row{"LeadingPlus", ask({"--num-beams", "+2"}), 2, "got '+2'"},
        Row{"HugeInteger", ask({"--num-beams", "99999999999999999999"}), 2, "expected an integer"},
        Row{"NotANumber", ask({"--temperature", "nan"}), 2, "--temperature: expected a number"},
        Row{"Infinity", ask({"--length-penalty=inf"}), 2, "--length-penalty: expected a number"},
        Row{"DecimalComma", ask({"--top-p", "0,9"}), 2, "--top-p: expected a number, got '0,9'"},
        Row{"EmptyNumber", ask({"--top-p="}), 2, "--top-p: expected a number"},
        Row{"OverflowingNumber", ask({"--top-p=1e999"}), 2, "--top-p: expected a number"},
        Row{"NegativeSeed", ask({"--seed=-1"}), 2, "--seed: expected an integer from 0"},
        Row{"EarlyStopping", ask({"--early-stopping=maybe"}), 2, "true, false or never"},
        Row{"Resize", ask({"--resize", "pillow11"}), 2, "pillow13, pillow12 or torchvision"},
        Row{"Exif", ask({"--exif=maybe"}), 2, "apply or ignore"},
        Row{"Background", ask({"--background", "black"}), 2, "drop or white"},
        Row{"Dtype", ask({"--dtype", "int8"}), 2, "auto, f32, f16, bf16, q8 or q4"},
        Row{"Device", ask({"--device", "tpu"}), 2, "auto, cpu, cuda or cuda:N"},
        Row{"DeviceIndex", ask({"--device", "cuda:"}), 2, "auto, cpu, cuda or cuda:N"},
        Row{"DeviceIndexSign", ask({"--device", "cuda:-1"}), 2, "auto, cpu, cuda or cuda:N"},
        Row{"DeviceThatIsNotThere", ask({"--device", "cuda:99"}), 2,
            "device: cuda cannot be used: "},
        Row{"ControlBytes", ask({"--dtype", "\x1b[31mred"}), 2, "got '\\x1b[31mred'"},
        Row{"NoBeams", ask({"--num-beams", "0"}), 2, "--num-beams: expected"},
        Row{"TooManyBeams", ask({"--num-beams", "65"}), 2, "--num-beams: expected"},
        Row{"TooManyTokens", ask({"--max-new-tokens", "4097"}), 2, "--max-new-tokens: expected"},
        Row{"MinimumAboveMaximum", ask({"--min-new-tokens", "9"}), 2,
            "--min-new-tokens: expected at most --max-new-tokens (8)"},
        Row{"TemperatureBelow0", ask({"--do-sample", "--temperature=-1"}), 2, "temperature"},
        Row{"TopPAboveOne", ask({"--do-sample", "--top-p", "1.5"}), 2, "--top-p: expected"},
        Row{"MoreSequencesThanBeams", ask({"--num-return-sequences", "2"}), 2,
            "--num-return-sequences: expected at most --num-beams (1)"},
        Row{"EmptyStop", ask({"--stop", ""}), 2, "stop[0]"},
        Row{"StopNotUtf8", ask({"--stop", kNotUtf8}), 2, "UTF-8"},
        Row{"NegativeThreads", ask({"--threads", "-1"}), 2, "threads"},
        Row{"TwoImagesForFeatures",
            {"features", "--model", kT5, "--image", "a", "--image", "b", "--output", "c"},
            2,
            "expected one --image"}),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    Text, ExitCodeTest,
    testing::Values(
        Row{"NotUtf8", with_instruction(kNotUtf8), 2, "not valid UTF-8"},
        Row{"ImageToken", with_instruction("<image> what is it?"), 2, "<image>"},
        Row{"TooLong", with_instruction(words(600)), 2, "tokens of the Q-Former"},
        Row{"TokenizeNotUtf8", {"tokenize", "--model", kT5, "--text", kNotUtf8}, 2, "UTF-8"},
        Row{"FeaturesNotUtf8",
            {"features", "--model", kT5, "--image", image("coffee.jpg"), "--instruction", kNotUtf8,
             "--output", testing::TempDir() + "not_written.safetensors"},
            2,
            "UTF-8"}),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    Model, ExitCodeTest,
    testing::Values(Row{"Missing", ask({}, kMissing), 5, "/nonexistent/there"},
                    Row{"AFile", ask({}, kNotAnImage), 5, "expected a directory"},
                    Row{"NoConfig", ask({}, kSource + "/tests/data/images"), 5, "config.json"},
                    Row{"InfoMissing", {"info", "--model", kMissing}, 5, kMissing.c_str()},
                    Row{"TokenizeMissing",
                        {"tokenize", "--model", kMissing, "--text", "x"},
                        5,
                        kMissing.c_str()}),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    Image, ExitCodeTest,
    testing::Values(Row{"Missing", with_image(kMissing), 6, "/nonexistent/there"},
                    Row{"NotAnImage", with_image(kNotAnImage), 6, "LICENSE"},
                    Row{"AFolderWithoutPictures", with_image(kSource + "/src"), 6, "no picture in"},
                    Row{"AnAddress", with_image("https://example.org/a.jpg"), 6, "got an address"},
                    Row{"ADevice", with_image("/dev/null"), 6, "/dev/null"},
                    Row{"SecondOfThree", ask({"--image", kMissing, "--image", image("coffee.jpg")}),
                        6, "there"},
                    Row{"WithJson", with_image(kMissing) + Arguments{"--json"}, 6, "there"},
                    Row{"FeaturesMissing",
                        {"features", "--model", kT5, "--image", kMissing, "--output", "x"},
                        6,
                        "there"}),
    name_of);

TEST(ExitCode, DamagedPictureIs6) {
  const TempDirectory directory;
  const std::string whole = content_of(image("astronaut.jpg"));
  directory.write("cut.jpg", whole.substr(0, whole.size() / 2));
  const Finished finished = call(with_image(directory / "cut.jpg"));
  EXPECT_EQ(finished.exit_code, 6) << finished.err;
  EXPECT_EQ(finished.out, "");
}

TEST(ExitCode, DamagedWeightsAre5) {
  const TempDirectory directory;
  std::filesystem::copy(kT5, directory / "model", std::filesystem::copy_options::recursive);
  const std::filesystem::path shard = directory / "model/model-00001-of-00005.safetensors";
  std::filesystem::resize_file(shard, std::filesystem::file_size(shard) - 1);
  const Finished finished = call(ask({}, directory / "model"));
  EXPECT_EQ(finished.exit_code, 5) << finished.err;
  EXPECT_EQ(finished.out, "");
  EXPECT_NE(finished.err.find("model-00001-of-00005.safetensors"), std::string::npos);
}

TEST(ExitCode, OutputThatCannotBeWrittenIs1) {
  const Arguments features = {"features", "--model",           kT5,
                              "--image",  image("coffee.jpg"), "--output"};
  const Finished finished = call(features + Arguments{"/nonexistent/features.safetensors"});
  EXPECT_EQ(finished.exit_code, 1) << finished.err;
  EXPECT_NE(finished.err.find("/nonexistent/features.safetensors"), std::string::npos);
}

}  // namespace
}  // namespace instructblip::test
