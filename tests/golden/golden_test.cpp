// Every golden checkpoint through the public interface: token ids, texts, scores, stage tensors.
// The data and the scripts that made it: README.md in this folder.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "checkpoint/tensor_store.h"
#include "core/json.h"
#include "golden/golden_requests.h"
#include "instructblip/pipeline.h"

namespace instructblip {
namespace {

namespace fs = std::filesystem;

using namespace test;  // NOLINT: what golden.json asks and expects

std::vector<std::string> checkpoint_names() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(kCheckpoints)) {
    if (fs::exists(entry.path() / "golden.json")) names.push_back(entry.path().filename());
  }
  std::ranges::sort(names);
  return names;
}

class GoldenTest : public testing::TestWithParam<std::string> {
 protected:
  fs::path directory() const { return kCheckpoints / GetParam(); }

  Json golden() const { return Json::read(directory() / "golden.json"); }

  // The pipeline with and without interpolation, by these numerics; each loaded once.
  const Pipeline& pipeline(bool interpolate, Numerics numerics = Numerics::automatic) {
    auto& slot = pipelines_[{interpolate, numerics}];
    if (!slot) {
      LoadOptions options;
      options.interpolate_pos_encoding = interpolate;
      options.numerics = numerics;
      slot = std::make_unique<Pipeline>(Pipeline::load(directory(), options));
    }
    return *slot;
  }

 private:
  std::map<std::pair<bool, Numerics>, std::unique_ptr<Pipeline>> pipelines_;
};

TEST_P(GoldenTest, TokenizesAsTheReference) {
  for (const Json& request : golden().at("requests").elements()) {
    SCOPED_TRACE(request.at("name").string());
    const TokenizedText got =
        pipeline(interpolates(request)).tokenize(request.at("instruction").string());
    EXPECT_EQ(got.language, ids_of(request.at("prompt_tokens").at("lm")));
    EXPECT_EQ(got.qformer, ids_of(request.at("prompt_tokens").at("qformer")));
  }
}

// By the reference's own operations, by kernels over packed weights that are held as they are
// stored and add up in another order, and by what the processor makes of both.
TEST_P(GoldenTest, AnswersAsTheReference) {
  for (const Numerics numerics : {Numerics::reference, Numerics::fast, Numerics::automatic}) {
    SCOPED_TRACE(to_string(numerics));
    for (const Json& request : golden().at("requests").elements()) {
      SCOPED_TRACE(request.at("name").string());
      const Pipeline& model = pipeline(interpolates(request), numerics);
      if (numerics != Numerics::automatic) {
        EXPECT_EQ(model.info().numerics, numerics);
      }
      expect_equal(model.generate(images_of(request), request.at("instruction").string(),
                                  options_of(request.at("options"))),
                   request);
    }
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
      rows.push_back({images_of(request), request.at("instruction").string(),
                      options_of(request.at("options"))});
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
             .features(images_of(request), request.at("instruction").string())) {
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
