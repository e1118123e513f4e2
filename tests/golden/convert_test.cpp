// What convert() writes must answer as what it was made from, and be whole.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "checkpoint/tensor_store.h"
#include "golden/checkpoint_parts.h"
#include "golden/golden_requests.h"
#include "instructblip/retrieval.h"
#include "support/expect_error.h"
#include "support/temp_directory.h"

namespace instructblip {
namespace {

namespace fs = std::filesystem;
using namespace test;  // NOLINT: golden requests, files to write

std::vector<std::string> golden_names() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(kCheckpoints)) {
    if (fs::exists(entry.path() / "golden.json")) names.push_back(entry.path().filename());
  }
  std::ranges::sort(names);
  return names;
}

std::set<std::string> files_in(const fs::path& directory) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(directory)) {
    names.insert(entry.path().filename());
  }
  return names;
}

class ConvertTest : public testing::TestWithParam<std::string> {};

TEST_P(ConvertTest, AnswersAsWhatItWasMadeFrom) {
  const TempDirectory directory;
  const fs::path output = directory / "whole";
  const ConvertReport report = convert(kCheckpoints / GetParam(), output);
  EXPECT_EQ(report.files, 1);
  const TensorStore store = TensorStore::open_file(output / "model.safetensors");
  EXPECT_EQ(std::ssize(store.entries()), report.tensors);
  EXPECT_EQ(store.bytes(), report.bytes);
  for (const TensorEntry& entry : store.entries()) {
    EXPECT_TRUE(is_weight_dtype(entry.dtype)) << entry.name;
    EXPECT_FALSE(entry.name.ends_with("q_bias")) << entry.name;
    EXPECT_FALSE(entry.name.starts_with("model.")) << entry.name;
  }
  LoadOptions options;
  options.interpolate_pos_encoding = GetParam() == "vicuna_interpolated";
  expect_golden_answers(Pipeline::load(output, options), GetParam(),
                        options.interpolate_pos_encoding);
  EXPECT_EQ(files_in(directory.path()), std::set<std::string>{"whole"});
}

// Once more changes nothing: names, types and bytes are settled.
TEST_P(ConvertTest, OfItsOwnOutputIsTheSameFile) {
  const TempDirectory directory;
  convert(kCheckpoints / GetParam(), directory / "once");
  convert(directory / "once", directory / "twice");
  for (const auto& file : fs::directory_iterator(directory / "once")) {
    if (file.is_directory()) continue;
    const std::string name = file.path().filename();
    EXPECT_EQ(content_of(directory / ("once/" + name)), content_of(directory / ("twice/" + name)))
        << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, ConvertTest, testing::ValuesIn(golden_names()),
                         [](const auto& test) { return test.param; });

TEST(Convert, PutsEverySourceTogether) {
  for (const char* name : {"t5_2024", "vicuna_2023", "blip2_opt"}) {
    SCOPED_TRACE(name);
    const Parts parts(name);
    LoadOptions options;
    options.language_model = parts.language_model();
    options.overlays = {
        parts.lavis([](const TensorEntry& entry) { return !Parts::is_of_language(entry); })};
    convert(parts.checkpoint(), parts.directory() / "whole", options);
    expect_golden_answers(Pipeline::load(parts.directory() / "whole"), name);
  }
}

TEST(Convert, WritesMergedAdapters) {
  for (const auto& adapter : fs::directory_iterator(kCheckpoints.parent_path() / "adapters")) {
    const Json golden = Json::read(adapter.path() / "golden.json");
    SCOPED_TRACE(adapter.path().filename().string());
    LoadOptions options;
    for (const Json& name : golden.at("adapters").elements()) {
      options.adapters.push_back(adapter.path().parent_path() / name.string());
    }
    const TempDirectory directory;
    convert(kCheckpoints / golden.at("checkpoint").string(), directory / "whole", options);
    const Pipeline pipeline = Pipeline::load(directory / "whole");
    for (const Json& request : golden.at("requests").elements()) {
      expect_equal(pipeline.generate(images_of(request), request.at("instruction").string(),
                                     options_of(request.at("options"))),
                   request);
    }
  }
}

TEST(Convert, SplitsWhatIsLarge) {
  const TempDirectory directory;
  const fs::path output = directory / "shards";
  const ConvertReport report =
      convert(kCheckpoints / "vicuna_2024", output, {}, {.max_shard_bytes = 30'000});
  EXPECT_GT(report.files, 3);
  EXPECT_FALSE(fs::exists(output / "model.safetensors"));
  std::int64_t bytes = 0;
  for (int i = 1; i <= report.files; ++i) {
    char name[64];
    std::snprintf(name, sizeof name, "model-%05d-of-%05d.safetensors", i, report.files);
    const TensorStore shard = TensorStore::open_file(output / name);
    EXPECT_TRUE(shard.bytes() <= 30'000 || shard.entries().size() == 1) << name;
    bytes += shard.bytes();
  }
  EXPECT_EQ(bytes, report.bytes);
  const Json index = Json::read(output / "model.safetensors.index.json");
  EXPECT_EQ(index.at("metadata").at("total_size").integer(), report.bytes);
  EXPECT_EQ(index.at("weight_map").size(), static_cast<std::size_t>(report.tensors));
  expect_golden_answers(Pipeline::load(output), "vicuna_2024");
}

TEST(Convert, ChangesTheTypeOfEveryTensor) {
  for (const auto& [precision, dtype, name] : {std::tuple{Precision::f32, DType::f32, "float32"},
                                               {Precision::f16, DType::f16, "float16"},
                                               {Precision::bf16, DType::bf16, "bfloat16"}}) {
    SCOPED_TRACE(name);
    const TempDirectory directory;
    const fs::path output = directory / "typed";
    convert(kCheckpoints / "vicuna_2024", output, {.precision = precision});
    const TensorStore store = TensorStore::open(output);
    for (const TensorEntry& entry : store.entries()) EXPECT_EQ(entry.dtype, dtype);
    EXPECT_EQ(Json::read(output / "config.json").at("dtype").string(), name);
    // It is stored as F16: neither F16 nor F32 lose anything.
    const Pipeline pipeline = Pipeline::load(output);
    if (precision != Precision::bf16) expect_golden_answers(pipeline, "vicuna_2024");
  }
}

TEST(Convert, ChangesRowsOfWordsWithTheConfig) {
  const Parts parts("vicuna_2024");
  std::string config = content_of(parts.checkpoint() / "config.json");
  replace_all(config, "\"vocab_size\": 491", "\"vocab_size\": 490");
  parts.directory().write("checkpoint/config.json", config);
  LoadOptions options;
  options.overlays = {parts.lavis([](const TensorEntry&) { return true; })};
  convert(parts.checkpoint(), parts.directory() / "whole", options);
  EXPECT_EQ(Json::read(parts.directory() / "whole/config.json")
                .at("text_config")
                .at("vocab_size")
                .integer(),
            491);
  expect_golden_answers(Pipeline::load(parts.directory() / "whole"), "vicuna_2024");
}

TEST(Convert, WritesModelsForRetrieval) {
  const TempDirectory directory;
  convert(kCheckpoints / "blip2_itm", directory / "whole");
  EXPECT_TRUE(ImageTextMatcher::reads(directory / "whole"));
  ImageTextMatcher::load(directory / "whole");
  const TensorStore before = TensorStore::open(kCheckpoints / "blip2_itm");
  const TensorStore after = TensorStore::open(directory / "whole");
  for (const TensorEntry& entry : after.entries()) {
    const TensorEntry* same = before.find(entry.name);
    ASSERT_NE(same, nullptr) << entry.name;
    EXPECT_TRUE(std::ranges::equal(entry.bytes, same->bytes)) << entry.name;
  }
}

TEST(Convert, ReplacesNothing) {
  const TempDirectory directory;
  fs::create_directory(directory / "full");
  directory.write("full/note.txt", "mine");
  directory.write("file", "mine");
  fs::create_symlink("full", directory / "link");
  for (const char* name : {"full", "full/", "file", "link"}) {
    expect_error(ErrorCode::invalid_argument, "there is something of this name already",
                 [&] { convert(kCheckpoints / "t5_2024", directory / name); });
  }
  EXPECT_EQ(content_of(directory / "full/note.txt"), "mine");
  EXPECT_EQ(files_in(directory / "full"), std::set<std::string>{"note.txt"});
  EXPECT_EQ(files_in(directory.path()), (std::set<std::string>{"file", "full", "link"}));
  expect_error(ErrorCode::io, "cannot be written",
               [&] { convert(kCheckpoints / "t5_2024", directory / "no/such/place"); });
  fs::create_directory(directory / "empty");
  convert(kCheckpoints / "t5_2024", directory / "empty/");
  EXPECT_TRUE(fs::exists(directory / "empty/model.safetensors"));
}

TEST(Convert, LeavesNothingBehindWhereItFails) {
  const TempDirectory directory;
  LoadOptions options;
  options.overlays = {directory / "nowhere.pth"};
  expect_error(ErrorCode::not_found, "nowhere.pth",
               [&] { convert(kCheckpoints / "t5_2024", directory / "whole", options); });
  options.overlays.clear();
  options.progress = [](std::int64_t, std::int64_t) { throw std::runtime_error("stop"); };
  EXPECT_THROW(convert(kCheckpoints / "t5_2024", directory / "whole", options), std::runtime_error);
  expect_error(ErrorCode::invalid_argument, "max_shard_bytes", [&] {
    convert(kCheckpoints / "t5_2024", directory / "whole", {}, {.max_shard_bytes = 0});
  });
  EXPECT_EQ(files_in(directory.path()), std::set<std::string>{});
}

}  // namespace
}  // namespace instructblip
