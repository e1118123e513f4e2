// Language models of 8 and 4 bits on a device: the emulator runs its kernels, and what they compute
// is held against the processor's kernels for the same weights.
#include <ATen/ops/cat.h>
#include <ATen/ops/linear.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "nn/linear.h"
#include "pipeline/batch.h"
#include "pipeline/job.h"
#include "pipeline/prepare.h"
#include "pipeline/tensors.h"
#include "unit/nn/emulated_device.h"
#include "unit/nn/tensors.h"
#include "unit/pipeline/models.h"

namespace instructblip {
namespace {

using Kind = nn::Pairing::Kind;
using test::picture;
using test::tokens;

struct TiledCase {
  nn::Format format;
  nn::Pairing pairing;
  std::vector<std::int64_t> rows;
};

class TiledProducts : public testing::TestWithParam<TiledCase> {};

// In one launch, in several, and, of many rows, by a library from widened weights.
TEST_P(TiledProducts, AreThoseOfTheirValues) {
  constexpr std::int64_t kColumns = 136;
  EmulatedRuntime there;
  std::vector<at::Tensor> blocks;
  for (const std::int64_t rows : GetParam().rows) {
    blocks.push_back(wave({rows, kColumns}, 0.3 + 0.1 * static_cast<double>(blocks.size())));
  }
  for (const std::int64_t rows : {1, 9, 33, 70, 130}) {
    const at::Tensor x = wave({rows, kColumns}, 0.7);
    const auto both = there.run([&] {
      const auto tiles = std::make_shared<const nn::TiledMatrix>(there, GetParam().format,
                                                                 GetParam().pairing, blocks);
      const at::Tensor bias = there.upload_rows(wave({tiles->rows()}, 0.2));
      const at::Tensor plus = there.upload_rows(wave({rows, tiles->rows()}, 0.4));
      const nn::Linear linear(there, nn::Matrix(tiles), bias);
      const at::Tensor y = linear(there.upload_rows(x), nn::Sum(plus));
      const at::Tensor values = nn::to_host(tiles->values(at::kFloat));
      const at::Tensor halves = x.to(at::kHalf).to(at::kFloat);
      return std::pair(nn::to_host(y),
                       at::linear(halves, values, nn::to_host(bias)) + nn::to_host(plus));
    });
    const double largest = at::abs(both.second).max().item<double>();
    EXPECT_LT(largest_difference(both.first, both.second), 4e-3 * largest) << rows;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Layouts, TiledProducts,
    testing::Values(TiledCase{nn::Format::w8, {}, {37}},
                    TiledCase{nn::Format::w8, {.kind = Kind::gate}, {24, 24}},
                    TiledCase{nn::Format::w4, {}, {48}},
                    TiledCase{nn::Format::w4, {.kind = Kind::heads, .width = 32}, {64, 32, 32}}));

using Rows = std::map<std::string, std::vector<float>>;

double cosine(const std::vector<float>& a, const std::vector<float>& b) {
  double ab = 0, aa = 0, bb = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    ab += double{a[i]} * b[i];
    aa += double{a[i]} * a[i];
    bb += double{b[i]} * b[i];
  }
  return ab / std::sqrt(aa * bb);
}

struct Seen {
  Rows stages;
  std::vector<std::int32_t> ids;
};

Seen answer_to(const ModelParts& model, const Request& request) {
  Seen seen;
  const auto job = prepare(model, request, {});
  job->on_stage = [&](const char* name, const at::Tensor& output) {
    if (!seen.stages.contains(name)) seen.stages[name] = to_named(name, output).values;
  };
  seen.ids = answer(model, job).tokens();
  return seen;
}

struct Case {
  std::string directory;  // below the source's
  Precision precision;
};

std::unique_ptr<const ModelParts> load(const Case& test, std::unique_ptr<nn::Runtime> runtime) {
  return test::load(test::kSource / test.directory, std::move(runtime),
                    {.precision = test.precision});
}
std::unique_ptr<const ModelParts> load_here(const Case& test) {
  return load(test, std::make_unique<nn::Runtime>(1, nn::Numerics::fast));
}

class QuantisedOnADevice : public testing::TestWithParam<Case> {};

TEST_P(QuantisedOnADevice, StagesAreThoseOfTheProcessorButForRounding) {
  const auto here = load_here(GetParam()),
             there = load(GetParam(), std::make_unique<EmulatedRuntime>()),
             composing = load(GetParam(), std::make_unique<StandInRuntime>(at::kHalf));
  const Request request{picture(), "What is this?", tokens(4)};
  const Seen a = answer_to(*here, request), b = answer_to(*there, request),
             c = answer_to(*composing, request);
  ASSERT_EQ(a.stages.size(), b.stages.size());
  for (const auto& [name, rows] : a.stages) {
    const double least = std::min(0.999, cosine(rows, c.stages.at(name)));
    EXPECT_GT(1.5 * (1 - least) + 1e-3, 1 - cosine(rows, b.stages.at(name)))
        << name << " " << least;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Families, QuantisedOnADevice,
    testing::Values(Case{"tests/golden/checkpoints/t5_2024", Precision::q8},
                    Case{"tests/golden/checkpoints/vicuna_old_ids", Precision::q4},
                    Case{"tests/golden/checkpoints/blip2_opt", Precision::q4}));

TEST(QuantisedModel, AnswersAreThoseOfTheProcessor) {
  const Image image = Image::open(test::kSource / "models/scene.png");
  for (const auto precision : {Precision::q8, Precision::q4}) {
    const Case test{"models/tiny-t5", precision};
    const auto here = load_here(test), there = load(test, std::make_unique<EmulatedRuntime>());
    const Request request{image, "A short image description:", tokens(24)};
    EXPECT_EQ(answer_to(*there, request).ids, answer_to(*here, request).ids);
  }
}

// As many launches as with weights of 16 bits: gates, heads and all that stands behind a product
// are in it.
TEST(QuantisedModel, AStepLaunchesNoMoreThanInHalfPrecision) {
  const auto model = load({"tests/golden/checkpoints/vicuna_old_ids", Precision::q4},
                          std::make_unique<EmulatedRuntime>());
  answer_to(*model, {picture(), "What is this?", tokens(4)});
  std::map<std::string, int> seen;
  for (const std::string& name : launches_of_last_record()) ++seen[name];
  const std::map<std::string, int> expected = {
      {"product", 4 * 3 + 1}, {"paged_attention", 3}, {"aten::index_select", 2}};
  EXPECT_EQ(seen, expected);
}

TEST(QuantisedModel, RowsAreOfTheTypeThatWeightsAreStoredAs) {
  ModelInfo info;
  const LoadOptions q8{.precision = Precision::q8}, f16{.precision = Precision::f16};
  info.tensors = {{"a", "F32", {4, 4}, ""}, {"b", "F16", {2, 4}, ""}};
  EXPECT_EQ(rows_on_device(q8, info), nn::Format::bf16);
  EXPECT_EQ(rows_on_device(f16, info), nn::Format::f16);
  info.tensors.push_back({"c", "F16", {8, 4}, ""});
  EXPECT_EQ(rows_on_device(q8, info), nn::Format::f16);
}

}  // namespace
}  // namespace instructblip
