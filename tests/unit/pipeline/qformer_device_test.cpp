// A Q-Former's layers by one kernel of a CUDA device each, held against the several kernels that
// they are without it: the emulator runs them on the stand-in device.
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "unit/nn/emulated_device.h"
#include "unit/nn/tensors.h"
#include "unit/pipeline/models.h"

namespace instructblip {
namespace {

using Ids = std::vector<std::int32_t>;

struct Case {
  std::string directory;  // below the source's
  at::ScalarType rows;
  std::int64_t layers;
  bool reads;        // an instruction
  double tolerance;  // what rounding in another order leaves, as a share
};

std::int64_t layers_run() {
  const auto& launches = launches_of_emulated_device();
  const auto found = launches.find("qformer_layer");
  return found == launches.end() ? 0 : found->second;
}

// As a share of what is right, both as lengths.
double error(const at::Tensor& x, const at::Tensor& right) {
  return ((x - right).norm() / right.norm()).item<double>();
}

std::unique_ptr<const ModelParts> load(const Case& test, const LoadOptions& options,
                                       const ChangeTables& change = {}) {
  return test::load(test::kSource / test.directory,
                    std::make_unique<EmulatedRuntime>(test.rows, change), options);
}

LoadOptions in_half(const Case& test) {
  return {.precision = test.rows == at::kHalf ? Precision::f16 : Precision::bf16};
}

at::Tensor queries_of(const ModelParts& model, const std::vector<Ids>& instructions,
                      const at::Tensor& visual) {
  return model.runtime->run([&] {
    const std::vector<QFormer::Ids> spans(instructions.begin(), instructions.end());
    const at::Tensor there = model.runtime->upload_rows(visual);
    return nn::to_host(model.stages->qformer->forward_each(spans, there));
  });
}

// Random pictures, the same of a seed every time.
at::Tensor visual_for(const ModelParts& model, std::int64_t pictures, int seed = 0) {
  const VisionEncoder& vision = *model.stages->vision;
  return at::randn({pictures, vision.positions(), vision.width()},
                   at::make_generator<at::CPUGeneratorImpl>(static_cast<std::uint64_t>(seed)));
}

class QFormerOnDevice : public testing::TestWithParam<Case> {
 protected:
  // Each is run, recorded and launched again, with pictures of its own.
  void expect_what_the_parts_give(std::vector<Ids> instructions) const {
    if (!GetParam().reads) std::ranges::fill(instructions, Ids());
    for (int i = 0; i < 3; ++i) {
      const at::Tensor pictures = visual_for(*whole_, std::ssize(instructions), i);
      const std::int64_t before = layers_run();
      const at::Tensor whole = queries_of(*whole_, instructions, pictures);
      // The stand-in runs what it records, too.
      EXPECT_EQ(layers_run() - before, GetParam().layers * (i == 1 ? 2 : 1)) << i;
      const std::int64_t after = layers_run();
      const at::Tensor in_parts = queries_of(*in_parts_, instructions, pictures);
      EXPECT_EQ(layers_run(), after);
      EXPECT_LT(error(whole, in_parts), GetParam().tolerance) << i;
    }
  }

  const std::unique_ptr<const ModelParts> whole_ = load(GetParam(), in_half(GetParam()));
  const std::unique_ptr<const ModelParts> in_parts_ =
      load(GetParam(), in_half(GetParam()),
           [](kernels::cuda::Tables& tables) { tables.qformer_layer = {}; });
};

TEST_P(QFormerOnDevice, ReadsOnePictureWithAnInstruction) {
  expect_what_the_parts_give({{1, 2, 3, 4, 5}});
}
TEST_P(QFormerOnDevice, ReadsOnePictureWithoutOne) { expect_what_the_parts_give({{}}); }
TEST_P(QFormerOnDevice, ReadsPicturesWithInstructionsOfSeveralLengths) {
  expect_what_the_parts_give({{7, 8}, {}, {1, 2, 3, 4, 5, 6, 7, 8, 9}});
}

// Every layer looks at the pictures in the first, and every second one in the others, where random
// weights amplify what rounding leaves: between float32 and half precision they make up to 0.7 of
// it.
INSTANTIATE_TEST_SUITE_P(
    Models, QFormerOnDevice,
    testing::Values(Case{"models/tiny-t5", at::kHalf, 4, true, 2e-3},
                    Case{"models/tiny-t5", at::kBFloat16, 4, true, 1.6e-2},
                    Case{"tests/golden/checkpoints/t5_2024", at::kHalf, 3, true, 0.25},
                    Case{"tests/golden/checkpoints/blip2_opt", at::kHalf, 2, false, 3e-2}),
    [](const auto& test) {
      std::string name = std::filesystem::path(test.param.directory).filename();
      std::ranges::replace(name, '-', '_');
      return name + (test.param.rows == at::kHalf ? "_f16" : "_bf16");
    });

const Case kTiny = {"models/tiny-t5", at::kHalf, 4, true, 2e-3};

// What stands beside a picture makes no difference, but for its keys and values, which may be a
// library's product.
TEST(QFormerLayers, GiveAPictureTheSameInAnyCompany) {
  const auto model = load(kTiny, in_half(kTiny));
  const at::Tensor pictures = visual_for(*model, 3);
  const std::vector<Ids> instructions = {{7, 8, 9}, {4}, {1, 2, 3, 4, 5, 6}};
  const at::Tensor together = queries_of(*model, instructions, pictures);
  for (std::int64_t i = 0; i < 3; ++i) {
    const at::Tensor alone =
        queries_of(*model, {instructions[static_cast<std::size_t>(i)]}, pictures.narrow(0, i, 1));
    EXPECT_LT(error(alone[0], together[i]), 1e-3) << i;
  }
}

// 17 pictures of 8 queries are more than 128 rows.
TEST(QFormerLayers, LeaveManyRowsToALibrary) {
  const auto model = load(kTiny, in_half(kTiny));
  const std::vector<Ids> instructions(17);
  const std::int64_t before = layers_run();
  queries_of(*model, instructions, visual_for(*model, std::ssize(instructions)));
  EXPECT_EQ(layers_run(), before);
}

TEST(QFormerLayers, LeaveWeightsOfEightBitsToOthers) {
  const auto model = load(kTiny, {.precision = Precision::q8, .policy = "qformer=q8"});
  const std::int64_t before = layers_run();
  queries_of(*model, {{1, 2, 3}}, visual_for(*model, 1));
  EXPECT_EQ(layers_run(), before);
}

}  // namespace
}  // namespace instructblip
