// Every golden checkpoint through the public interface: token ids, texts, scores, stage tensors.
// The data and the scripts that made it: README.md in this folder.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "checkpoint/tensor_store.h"
#include "core/json.h"
#include "instructblip/pipeline.h"

namespace instructblip {
namespace {

namespace fs = std::filesystem;

const fs::path kSource = INSTRUCTBLIP_SOURCE_DIR;
const fs::path kCheckpoints = kSource / "tests/golden/checkpoints";
const fs::path kImages = kSource / "tests/data/images";

std::vector<std::string> checkpoint_names() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(kCheckpoints)) {
    if (fs::exists(entry.path() / "golden.json")) names.push_back(entry.path().filename());
  }
  std::ranges::sort(names);
  return names;
}

std::vector<std::int32_t> ids_of(const Json& json) {
  const std::vector<std::int64_t> wide = json.integers();
  return {wide.begin(), wide.end()};
}

EarlyStopping early_stopping_of(const Json& json) {
  if (json.is_string()) return EarlyStopping::never;
  return json.boolean() ? EarlyStopping::yes : EarlyStopping::no;
}

GenerationConfig options_of(const Json& json) {
  GenerationConfig config;
  const auto integer = [&](const char* key, std::optional<int>& out) {
    if (const auto value = json.find(key)) out = static_cast<int>(value->integer());
  };
  const auto number = [&](const char* key, std::optional<double>& out) {
    if (const auto value = json.find(key)) out = value->number();
  };
  integer("max_new_tokens", config.max_new_tokens);
  integer("min_new_tokens", config.min_new_tokens);
  integer("num_beams", config.num_beams);
  integer("num_return_sequences", config.num_return_sequences);
  integer("no_repeat_ngram_size", config.no_repeat_ngram_size);
  number("length_penalty", config.length_penalty);
  number("repetition_penalty", config.repetition_penalty);
  if (const auto value = json.find("early_stopping"))
    config.early_stopping = early_stopping_of(*value);
  return config;
}

bool interpolates(const Json& request) {
  return request.at("options").boolean_or("interpolate_pos_encoding", false);
}

class GoldenTest : public testing::TestWithParam<std::string> {
 protected:
  fs::path directory() const { return kCheckpoints / GetParam(); }

  Json golden() const { return Json::read(directory() / "golden.json"); }

  // The pipeline with and without interpolation, each loaded once.
  const Pipeline& pipeline(bool interpolate) {
    auto& slot = pipelines_[interpolate];
    if (!slot) {
      LoadOptions options;
      options.interpolate_pos_encoding = interpolate;
      slot = std::make_unique<Pipeline>(Pipeline::load(directory(), options));
    }
    return *slot;
  }

  // The picture of a request, or the several of a video.
  static std::vector<Image> images(const Json& request) {
    std::vector<Image> images;
    if (const auto several = request.find("images")) {
      for (const Json& name : several->elements()) {
        images.push_back(Image::open(kImages / name.string()));
      }
    } else {
      images.push_back(Image::open(kImages / request.at("image").string()));
    }
    return images;
  }

 private:
  std::map<bool, std::unique_ptr<Pipeline>> pipelines_;
};

void expect_equal(const Generation& got, const Json& request) {
  const std::vector<Json> want = request.at("sequences").elements();
  ASSERT_EQ(got.sequences.size(), want.size());
  for (std::size_t i = 0; i < want.size(); ++i) {
    const Sequence& sequence = got.sequences[i];
    EXPECT_EQ(sequence.tokens, ids_of(want[i].at("tokens"))) << "sequence " << i;
    EXPECT_EQ(sequence.text, want[i].at("text").string()) << "sequence " << i;
    EXPECT_EQ(to_string(sequence.finish_reason), want[i].at("finish_reason").string());
    const double score = want[i].at("score").number();
    EXPECT_NEAR(sequence.score, score, 1e-3 + 1e-4 * std::abs(score)) << "sequence " << i;
  }
}

TEST_P(GoldenTest, TokenizesAsTheReference) {
  for (const Json& request : golden().at("requests").elements()) {
    SCOPED_TRACE(request.at("name").string());
    const TokenizedText got =
        pipeline(interpolates(request)).tokenize(request.at("instruction").string());
    EXPECT_EQ(got.language, ids_of(request.at("prompt_tokens").at("lm")));
    EXPECT_EQ(got.qformer, ids_of(request.at("prompt_tokens").at("qformer")));
  }
}

TEST_P(GoldenTest, AnswersAsTheReference) {
  for (const Json& request : golden().at("requests").elements()) {
    SCOPED_TRACE(request.at("name").string());
    expect_equal(pipeline(interpolates(request))
                     .generate(images(request), request.at("instruction").string(),
                               options_of(request.at("options"))),
                 request);
  }
}

// Rows of a batch of unequal lengths, each equal to the reference's run of it alone.
TEST_P(GoldenTest, BatchRowsEqualTheirOwnRuns) {
  const Json data = golden();
  const std::vector<Json> requests = data.at("requests").elements();
  const auto batches = data.find("batches");
  if (!batches) return;
  for (const Json& batch : batches->elements()) {
    std::vector<Request> rows;
    std::vector<Json> want;
    for (const std::int64_t index : batch.integers()) {
      const Json& request = requests.at(static_cast<std::size_t>(index));
      if (interpolates(request)) continue;
      want.push_back(request);
      rows.push_back({.instruction = request.at("instruction").string(),
                      .options = options_of(request.at("options")),
                      .images = images(request)});
    }
    if (rows.empty()) continue;
    const std::vector<Response> got = pipeline(false).generate(rows);
    ASSERT_EQ(got.size(), want.size());
    for (std::size_t i = 0; i < got.size(); ++i) {
      SCOPED_TRACE(want[i].at("name").string());
      ASSERT_TRUE(got[i].generation) << got[i].error->what();
      expect_equal(*got[i].generation, want[i]);
    }
  }
}

// The stage tensors of the requests that have them: pixels to the bit, the others within
// max|a - b| <= 1e-4 max|b|.
TEST_P(GoldenTest, StageTensorsEqualTheReferences) {
  const fs::path file = directory() / "stages.safetensors";
  if (!fs::exists(file)) return;
  // A store opens a directory; give it one that holds nothing else.
  const fs::path folder =
      fs::temp_directory_path() / ("stages_" + std::to_string(::getpid()) + GetParam());
  fs::create_directories(folder);
  fs::copy_file(file, folder / "model.safetensors", fs::copy_options::overwrite_existing);
  const TensorStore stages = TensorStore::open(folder);
  fs::remove_all(folder);

  for (const Json& request : golden().at("requests").elements()) {
    const auto prefix = request.find("stages");
    if (!prefix) continue;
    SCOPED_TRACE(request.at("name").string());
    for (const NamedTensor& got :
         pipeline(interpolates(request))
             .features(images(request), request.at("instruction").string())) {
      const TensorEntry* want = stages.find(prefix->string() + "." + got.name);
      ASSERT_NE(want, nullptr) << got.name;
      ASSERT_EQ(got.shape, want->shape) << got.name;
      std::vector<float> values(got.values.size());
      ASSERT_EQ(want->bytes.size(), values.size() * sizeof(float));
      std::memcpy(values.data(), want->bytes.data(), want->bytes.size());
      if (got.name == "pixel_values") {
        EXPECT_EQ(got.values, values) << "pixels are not equal to the bit";
        continue;
      }
      double largest = 0, difference = 0;
      for (std::size_t i = 0; i < values.size(); ++i) {
        largest = std::max<double>(largest, std::abs(values[i]));
        difference = std::max<double>(difference, std::abs(values[i] - got.values[i]));
      }
      EXPECT_LE(difference, 1e-4 * largest) << got.name;
      RecordProperty(request.at("name").string() + "." + got.name,
                     std::to_string(difference / largest));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, GoldenTest, testing::ValuesIn(checkpoint_names()),
                         [](const auto& test) { return test.param; });

}  // namespace
}  // namespace instructblip
