#include "kernels/cuda/skinny.h"

#include <algorithm>
#include <cmath>
#include <tuple>
#include <type_traits>
#include <vector>

#include "emulator/half_numbers.h"
#include "emulator/running.h"

namespace instructblip::kernels::cuda {
namespace {

using emulator::half_numbers;
using emulator::kRoundingOf;

template <class T>
struct Data {
  SkinnyProblem problem;
  std::vector<T> x, weights, bias, residual;

  Data(std::int32_t rows, std::int32_t inputs, std::int32_t outputs)
      : x(half_numbers<T>(std::int64_t{32} * inputs, 1)),
        weights(half_numbers<T>(std::int64_t{outputs} * inputs, 2)),
        bias(half_numbers<T>(outputs, 3)),
        residual(half_numbers<T>(std::int64_t{32} * outputs, 4)) {
    problem = {.element = std::is_same_v<T, dev::Half> ? Element::f16 : Element::bf16,
               .rows = rows,
               .inputs = inputs,
               .outputs = outputs};
  }

  // U: what y is of, T or float.
  template <class U>
  std::vector<U> run(bool added) {
    problem.wide = std::is_same_v<U, float>;
    std::vector<U> y(static_cast<std::size_t>(problem.rows * problem.outputs));
    const SkinnyBuffers buffers{x.data(), weights.data(), added ? bias.data() : nullptr,
                                added ? residual.data() : nullptr, y.data()};
    EXPECT_EQ(skinny_refuses(problem), nullptr);
    emulator::run_in_every_order(
        y, [&] { EXPECT_EQ(multiply_skinny(problem, buffers, nullptr, true), 0); });
    return y;
  }

  template <class U>
  void expect_right(const std::vector<U>& y, bool added) const {
    for (std::int32_t i = 0; i < problem.rows * problem.outputs; ++i) {
      const std::int32_t row = i / problem.outputs, output = i % problem.outputs;
      double want = 0.0, size = 0.0;
      for (std::int32_t k = 0; k < problem.inputs; ++k) {
        const double product =
            double{dev::widen(x[static_cast<std::size_t>(row * problem.inputs + k)])} *
            dev::widen(weights[static_cast<std::size_t>(output * problem.inputs + k)]);
        want += product;
        size += std::abs(product);
      }
      if (added) {
        want += dev::widen(bias[static_cast<std::size_t>(output)]);
        want += dev::widen(residual[static_cast<std::size_t>(i)]);
      }
      const U got = y[static_cast<std::size_t>(i)];
      double value;
      if constexpr (std::is_same_v<U, float>) {
        value = got;
      } else {
        value = dev::widen(got);
      }
      ASSERT_NEAR(value, want,
                  kRoundingOf<U> * std::abs(want) + roundings(problem.inputs + 10) * (size + 16))
          << problem.rows << " x " << problem.inputs << " x " << problem.outputs << ": " << i;
    }
  }
};

TEST(CudaSkinnyTest, AgreesWithDoublePrecision) {
  for (const auto& [rows, inputs, outputs] : {std::tuple{1, 8, 1},
                                              {1, 2048, 40},
                                              {5, 1384, 33},
                                              {8, 256, 16},
                                              {9, 520, 17},
                                              {32, 264, 24}}) {
    Data<dev::Half> half(rows, inputs, outputs);
    half.expect_right(half.run<dev::Half>(true), true);
    half.expect_right(half.run<float>(false), false);
    Data<dev::Bfloat> bfloat(rows, inputs, outputs);
    bfloat.expect_right(bfloat.run<dev::Bfloat>(true), true);
  }
}

TEST(CudaSkinnyTest, RowHasTheSameBitsBesideOthers) {
  Data<dev::Half> one(1, 520, 20), eight(8, 520, 20), many(17, 520, 20);
  const std::vector<float> alone = one.run<float>(true);
  for (const std::vector<float>& y : {eight.run<float>(true), many.run<float>(true)}) {
    EXPECT_TRUE(same_bits(alone, std::vector<float>(y.begin(), y.begin() + 20)));
  }
}

TEST(CudaSkinnyTest, RefusesWhatItCannotDo) {
  EXPECT_STREQ(skinny_refuses({.rows = 33, .inputs = 8}), "there are at most 32 rows");
  EXPECT_STREQ(skinny_refuses({.rows = 1, .inputs = 12}), "rows are as wide as a multiple of 8");
}

}  // namespace
}  // namespace instructblip::kernels::cuda
