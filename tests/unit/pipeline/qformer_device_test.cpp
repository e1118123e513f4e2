// A Q-Former's layers by one kernel of a CUDA device each, held against the processor's float32 and
// the several kernels that they are without it: the emulator runs them on the stand-in device.
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "unit/nn/emulated_device.h"
#include "unit/nn/tensors.h"
#include "unit/pipeline/models.h"

namespace instructblip {
namespace {

using Ids = std::vector<std::int32_t>;

std::int64_t layers_run() {
  const auto& launches = launches_of_emulated_device();
  const auto found = launches.find("qformer_layer");
  return found == launches.end() ? 0 : found->second;
}

class QFormerOnDevice : public testing::Test {
 protected:
  static std::unique_ptr<const ModelParts> load(const ChangeTables& change) {
    return test::load(test::kSource / "models/tiny-t5",
                      std::make_unique<EmulatedRuntime>(at::kHalf, change),
                      {.precision = Precision::f16});
  }

  static at::Tensor queries_of(const ModelParts& model, const std::vector<Ids>& instructions,
                               const at::Tensor& visual) {
    return model.runtime->run([&] {
      const std::vector<QFormer::Ids> spans(instructions.begin(), instructions.end());
      const at::Tensor there = model.runtime->upload_rows(visual);
      return nn::to_host(model.stages->qformer->forward_each(spans, there));
    });
  }

  // As a share of what is right, both as lengths.
  static double error(const at::Tensor& x, const at::Tensor& right) {
    return ((x - right).norm() / right.norm()).item<double>();
  }

  at::Tensor visual(std::int64_t pictures) const {
    const VisionEncoder& vision = *whole_->stages->vision;
    return at::randn({pictures, vision.positions(), vision.width()});
  }

  // Each is run, recorded and launched again, with pictures of its own.
  void expect_the_same(const std::vector<Ids>& instructions) const {
    for (int i = 0; i < 3; ++i) {
      const at::Tensor pictures = visual(std::ssize(instructions));
      const std::int64_t before = layers_run();
      const at::Tensor whole = queries_of(*whole_, instructions, pictures);
      EXPECT_GT(layers_run(), before);
      const std::int64_t after = layers_run();
      const at::Tensor in_parts = queries_of(*in_parts_, instructions, pictures);
      EXPECT_EQ(layers_run(), after);
      const at::Tensor exact = queries_of(*here_, instructions, pictures);
      EXPECT_LT(error(whole, exact), 1.5 * error(in_parts, exact) + 1e-3) << i;
      EXPECT_LT(error(whole, exact), 2e-3) << i;
    }
  }

  const std::unique_ptr<const ModelParts> whole_ = load({}),
                                          in_parts_ = load([](kernels::cuda::Tables&tables) {
                                            tables.qformer_layer = {};
                                          }),
                                          here_ = test::load(test::kSource / "models/tiny-t5",
                                                             std::make_unique<nn::Runtime>(), {});
};

TEST_F(QFormerOnDevice, ReadsOnePictureWithAnInstruction) { expect_the_same({{1, 2, 3, 4, 5}}); }
TEST_F(QFormerOnDevice, ReadsOnePictureWithoutOne) { expect_the_same({{}}); }
TEST_F(QFormerOnDevice, ReadsPicturesWithInstructionsOfSeveralLengths) {
  expect_the_same({{7, 8}, {}, {1, 2, 3, 4, 5, 6, 7, 8, 9}});
}

// What stands beside a picture makes no difference to its bits.
TEST_F(QFormerOnDevice, GivesAPictureTheSameBitsInAnyCompany) {
  const at::Tensor pictures = visual(3);
  const std::vector<Ids> instructions = {{7, 8, 9}, {4}, {1, 2, 3, 4, 5, 6}};
  const at::Tensor together = queries_of(*whole_, instructions, pictures);
  for (std::int64_t i = 0; i < 3; ++i) {
    const at::Tensor alone =
        queries_of(*whole_, {instructions[static_cast<std::size_t>(i)]}, pictures.narrow(0, i, 1));
    EXPECT_TRUE(alone[0].equal(together[i])) << i;
  }
}

// 17 pictures of 8 queries are more than 128 rows.
TEST_F(QFormerOnDevice, LeavesManyRowsToALibrary) {
  const std::vector<Ids> instructions(17);
  const at::Tensor pictures = visual(std::ssize(instructions));
  const std::int64_t before = layers_run();
  const at::Tensor many = queries_of(*whole_, instructions, pictures);
  EXPECT_EQ(layers_run(), before);
  EXPECT_TRUE(many.equal(queries_of(*in_parts_, instructions, pictures)));
}

}  // namespace
}  // namespace instructblip
