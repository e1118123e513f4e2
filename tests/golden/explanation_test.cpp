// Attention and relevance against the reference. explanations/ is made by make_explanations.py.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <stop_token>
#include <string>
#include <vector>

#include "checkpoint/tensor_store.h"
#include "core/json.h"
#include "golden/golden_requests.h"
#include "instructblip/explain.h"
#include "support/expect_error.h"

namespace instructblip {
namespace {

using namespace test;  // NOLINT: what a golden file asks and expects

const std::filesystem::path kFolder = kCheckpoints.parent_path() / "explanations";

std::vector<Json> explanations() {
  return Json::read(kFolder / "explanations.json").at("explanations").elements();
}

class ExplanationTest : public testing::TestWithParam<Json> {
 protected:
  const Json golden_ = GetParam();
  const std::string name_ = golden_.at("checkpoint").string();
  const TensorStore tensors_ = TensorStore::open_file(kFolder / (name_ + ".safetensors"));
  const Request request_{images_of(golden_), golden_.at("instruction").string()};
  const Pipeline pipeline_ =
      Pipeline::load(kCheckpoints / name_, {.numerics = Numerics::reference});
  const Explanation explanation_ =
      explain(pipeline_, request_, {.answer = golden_.at("answer").string(), .gradcam = true});

  std::vector<float> wanted(const std::string& name) const {
    const TensorEntry* entry = tensors_.find(name);
    EXPECT_NE(entry, nullptr) << name;
    std::vector<float> values(entry->bytes.size() / sizeof(float));
    std::memcpy(values.data(), entry->bytes.data(), entry->bytes.size());
    return values;
  }
  Shape shape_of(const std::string& name) const { return tensors_.find(name)->shape; }
};

void expect_near(const std::vector<float>& got, const std::vector<float>& want, double tolerance,
                 const std::string& what) {
  ASSERT_EQ(got.size(), want.size()) << what;
  for (std::size_t i = 0; i < got.size(); ++i) {
    ASSERT_NEAR(got[i], want[i], tolerance) << what << " " << i;
  }
}

TEST_P(ExplanationTest, AttentionIsTheReferences) {
  ASSERT_EQ(explanation_.pictures.size(), request_.pictures.images().size());
  for (std::size_t i = 0; i < explanation_.pictures.size(); ++i) {
    const std::string number = std::to_string(i);
    const Shape cross = shape_of("cross." + number), self = shape_of("self." + number);
    EXPECT_EQ(cross, (Shape{std::ssize(explanation_.cross_layers), explanation_.heads,
                            explanation_.queries, explanation_.positions}));
    EXPECT_EQ(self[0], explanation_.layers);
    EXPECT_EQ(self[2], explanation_.queries + explanation_.text_tokens);
    expect_near(explanation_.pictures[i].cross, wanted("cross." + number), 1e-5, "cross");
    expect_near(explanation_.pictures[i].self, wanted("self." + number), 1e-5, "self");
  }
}

TEST_P(ExplanationTest, RelevanceIsTheReferences) {
  EXPECT_EQ(explanation_.scored.tokens, ids_of(golden_.at("tokens")));
  EXPECT_EQ(explanation_.answer, golden_.at("answer").string());
  expect_near(explanation_.scored.logprobs, wanted("logprobs"), 1e-4, "logprobs");
  expect_near(explanation_.relevance, wanted("relevance"), 2e-4, "relevance");
}

TEST_P(ExplanationTest, GradientsAreTheReferences) {
  const std::vector<float> want = wanted("gradcam");
  EXPECT_EQ(
      shape_of("gradcam"),
      (Shape{std::ssize(explanation_.scored.tokens), std::ssize(explanation_.pictures),
             std::ssize(explanation_.cross_layers), explanation_.queries, explanation_.positions}));
  const float greatest = *std::ranges::max_element(want);
  EXPECT_GT(greatest, 0.1F);
  expect_near(explanation_.gradcam, want, 2e-4 * greatest, "gradcam");
}

// A map is that of the reference's numbers: the patches of a layer, summed over the queries.
TEST_P(ExplanationTest, GradientsMakeAMapForEachToken) {
  const std::vector<float> want = wanted("gradcam");
  const int patches = explanation_.grid_rows * explanation_.grid_columns;
  const std::size_t pictures = explanation_.pictures.size();
  const std::size_t layers = explanation_.cross_layers.size();
  for (std::size_t t = 0; t < explanation_.scored.tokens.size(); ++t) {
    const std::size_t picture = pictures - 1, layer = layers - 1;
    std::vector<double> sums(static_cast<std::size_t>(patches));
    const std::size_t map = (t * pictures + picture) * layers + layer;
    for (int q = 0; q < explanation_.queries; ++q) {
      const std::size_t row =
          (map * static_cast<std::size_t>(explanation_.queries) + static_cast<std::size_t>(q) + 1) *
          static_cast<std::size_t>(explanation_.positions);
      for (int p = 0; p < patches; ++p) {
        sums[static_cast<std::size_t>(p)] += want[row - static_cast<std::size_t>(patches - p)];
      }
    }
    const double all = std::accumulate(sums.begin(), sums.end(), 0.0);
    const auto got = explanation_.gradcam_patches(static_cast<int>(t), static_cast<int>(picture),
                                                  static_cast<int>(layer));
    ASSERT_EQ(got.size(), sums.size());
    for (std::size_t p = 0; p < sums.size(); ++p) EXPECT_NEAR(got[p], sums[p] / all, 1e-3);
  }
}

// Every row is a distribution, and what a query holds of the picture is a part of it.
TEST_P(ExplanationTest, RowsAddUpToOne) {
  for (const PictureAttention& picture : explanation_.pictures) {
    for (std::size_t i = 0; i < picture.cross.size();
         i += static_cast<std::size_t>(explanation_.positions)) {
      EXPECT_NEAR(
          std::accumulate(&picture.cross[i], &picture.cross[i] + explanation_.positions, 0.0), 1,
          1e-5);
    }
    for (int q = 0; q < explanation_.queries; ++q) {
      const float* const row = picture.rollout.data() + q * explanation_.positions;
      const double share = std::accumulate(row, row + explanation_.positions, 0.0);
      EXPECT_GT(share, 0);
      EXPECT_LT(share, 1);
    }
  }
}

TEST_P(ExplanationTest, MapsAreMeansOfWhatIsChosen) {
  const std::vector<float> all = explanation_.patches(0);
  EXPECT_EQ(std::ssize(all), explanation_.grid_rows * explanation_.grid_columns);
  std::vector<float> mean(all.size());
  const int layers = static_cast<int>(explanation_.cross_layers.size());
  for (int layer = 0; layer < layers; ++layer) {
    for (int head = 0; head < explanation_.heads; ++head) {
      const auto one = explanation_.patches(0, layer, head);
      for (std::size_t p = 0; p < mean.size(); ++p) {
        mean[p] += one[p] / static_cast<float>(layers * explanation_.heads);
      }
    }
  }
  expect_near(all, mean, 1e-6, "mean");
  for (std::size_t t = 0; t < explanation_.scored.tokens.size(); ++t) {
    double sum = 0;
    for (std::size_t i = 0; i < explanation_.pictures.size(); ++i) {
      const auto map = explanation_.token_patches(static_cast<int>(t), static_cast<int>(i));
      sum = std::accumulate(map.begin(), map.end(), 0.0);
      EXPECT_TRUE(sum == 0 || std::abs(sum - 1) < 1e-5) << sum;
    }
  }
  expect_error(ErrorCode::invalid_argument, "explanation: head: expected -1 to",
               [&] { explanation_.patches(0, 0, explanation_.heads); });
}

// Features and the model's own answer explain as pictures and a given answer do.
TEST_P(ExplanationTest, GeneratedAnswerIsThePipelines) {
  Request request = request_;
  request.options.max_new_tokens = 4;
  const Explanation own = explain(pipeline_, request, {.relevance = false});
  EXPECT_EQ(own.scored.tokens, pipeline_.generate(request).tokens());
  EXPECT_TRUE(own.relevance.empty());
  request.pictures = pipeline_.encode(request.pictures);
  const Explanation of_features = explain(pipeline_, request, {.relevance = false});
  EXPECT_EQ(of_features.pictures.front().cross, own.pictures.front().cross);
  EXPECT_EQ(of_features.pictures.front().region.width, 0);
  EXPECT_GT(own.pictures.front().region.width, 0);
}

TEST_P(ExplanationTest, IsWrittenAsJsonAndAsAPage) {
  const Json json = Json::parse(to_json(explanation_), "explanation");
  EXPECT_EQ(json.at("answer").string(), explanation_.answer);
  EXPECT_EQ(json.at("scored").at("tokens").integers().size(), explanation_.scored.tokens.size());
  ASSERT_EQ(json.at("pictures").size(), explanation_.pictures.size());
  const auto cross = json.at("pictures")[0].at("cross").numbers();
  ASSERT_EQ(cross.size(), explanation_.pictures[0].cross.size());
  EXPECT_NEAR(cross.back(), explanation_.pictures[0].cross.back(), 1e-5);
  const std::string page = to_html(explanation_, request_.pictures.images());
  std::size_t images = 0;
  for (std::size_t at = 0; (at = page.find("data:image/png;base64,", at)) != std::string::npos;
       ++at) {
    ++images;
  }
  // Each picture, its rollout, and a map for each token.
  EXPECT_EQ(images, explanation_.pictures.size() * (2 + explanation_.scored.tokens.size()));
  EXPECT_EQ(page.find("://"), std::string::npos) << "a page needs no network";
}

std::string name_of(const testing::TestParamInfo<Json>& test) {
  return test.param.at("checkpoint").string();
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, ExplanationTest, testing::ValuesIn(explanations()), name_of);

TEST(Explain, NeedsAQFormer) {
  const Pipeline llava = Pipeline::load(kCheckpoints / "llava_hub");
  const Image image = images_of(explanations().front()).front();
  expect_error(ErrorCode::unsupported, "explain: the model has no Q-Former", [&] {
    explain(llava, {image, "Why?"});
  });
}

TEST(Explain, GradientsNeedFloatsAndAQFormer) {
  LoadOptions options;
  options.numerics = Numerics::fast;
  const Pipeline packed = Pipeline::load(kCheckpoints / "t5_2024", options);
  const Image image = images_of(explanations().front()).front();
  expect_error(ErrorCode::unsupported, "gradcam: weights are packed", [&] {
    explain(packed, {image, "Why?"}, {.answer = "x", .gradcam = true});
  });
}

// Weights of half precision are widened for gradients, as they are for the answer.
TEST(Explain, GradientsOfHalfPrecisionAreNear) {
  LoadOptions options;
  options.precision = Precision::bf16;
  options.numerics = Numerics::reference;
  const Image image = images_of(explanations().front()).front();
  const ExplainOptions what{.answer = "a yellow", .relevance = false, .gradcam = true};
  for (const char* name : {"t5_2024", "vicuna_2024"}) {
    const Explanation whole =
        explain(Pipeline::load(kCheckpoints / name, {.numerics = Numerics::reference}),
                {image, "Why?"}, what);
    const Explanation half =
        explain(Pipeline::load(kCheckpoints / name, options), {image, "Why?"}, what);
    const float greatest = *std::ranges::max_element(whole.gradcam);
    expect_near(half.gradcam, whole.gradcam, 0.25 * greatest, name);
  }
}

TEST(Explain, StopIsAnError) {
  const Pipeline pipeline = Pipeline::load(kCheckpoints / "t5_2024");
  const Image image = images_of(explanations().front()).front();
  std::stop_source stop;
  stop.request_stop();
  expect_error(ErrorCode::cancelled, "stopped", [&] {
    explain(pipeline, {image, "Why?"}, {.answer = "x"}, {.stop = stop.get_token()});
  });
}

}  // namespace
}  // namespace instructblip
