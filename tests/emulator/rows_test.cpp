#include "kernels/cuda/rows.h"

#include <cmath>
#include <span>
#include <vector>

#include "emulator/half_numbers.h"
#include "emulator/running.h"
#include "support/operations.h"

namespace instructblip::kernels::cuda {
namespace {

using emulator::half_numbers;
using emulator::kRoundingOf;
using emulator::kUntouched;
using emulator::widened;

template <class T>
constexpr Element kElement = std::is_same_v<T, dev::Half> ? Element::f16 : Element::bf16;

struct NormSizes {
  std::int32_t rows, width;
  bool centred, biased, added;
  bool keeps_sum = true;  // with what is added
};

template <class T>
void expect_norm(const NormSizes& s) {
  constexpr float kEps = 1e-5f;
  const std::int64_t count = std::int64_t{s.rows} * s.width;
  std::vector<T> x = half_numbers<T>(count, 1), more = half_numbers<T>(count, 2);
  const std::vector<T> weight = half_numbers<T>(s.width, 3), bias = half_numbers<T>(s.width, 4);
  for (T& value : x) value = dev::narrow<T>(dev::widen(value) + 3.0f);  // away from zero
  std::vector<T> sum(x.size(), T{kUntouched}), y = sum;
  const NormProblem problem{kElement<T>, s.rows, s.width, kEps, s.centred};
  ASSERT_EQ(norm_refuses(problem), nullptr);
  const NormBuffers buffers{
      x.data(),      s.added ? more.data() : nullptr,  s.keeps_sum ? sum.data() : nullptr,
      weight.data(), s.biased ? bias.data() : nullptr, y.data()};
  emulator::run_in_every_order(y,
                               [&] { EXPECT_EQ(normalize(problem, buffers, nullptr, true), 0); });
  for (std::int64_t i = 0; i < count && s.added; ++i) {
    const auto at = static_cast<std::size_t>(i);
    const T both = dev::narrow<T>(dev::widen(x[at]) + dev::widen(more[at]));
    if (s.keeps_sum) {
      ASSERT_EQ(sum[at].bits, both.bits);
    }
    sum[at] = both;
  }
  const std::vector<float> rows = widened(s.added ? sum : x), wide = widened(weight);
  const std::vector<float> offset = s.biased ? widened(bias) : std::vector<float>(wide.size());
  const auto width = static_cast<std::size_t>(s.width);
  for (std::size_t r = 0; r < static_cast<std::size_t>(s.rows); ++r) {
    const std::span<const float> row = std::span(rows).subspan(r * width, width);
    const std::vector<double> want =
        s.centred ? test::layer_norm(row, wide, offset, kEps) : test::rms_norm(row, wide, kEps);
    for (std::size_t i = 0; i < width; ++i) {
      const double expected = s.centred ? want[i] : want[i] + offset[i];
      ASSERT_NEAR(dev::widen(y[r * width + i]), expected,
                  kRoundingOf<T> * std::abs(expected) + 1e-5 * (1 + std::abs(double{wide[i]})))
          << s.width << ": row " << r << ", " << i;
    }
  }
}

TEST(CudaNormTest, AgreesWithDoublePrecision) {
  for (const NormSizes& s : {NormSizes{1, 8, true, true, false},     //
                             NormSizes{3, 1408, true, true, true},   // ViT-g
                             NormSizes{2, 768, true, false, false},  //
                             NormSizes{3, 776, true, true, true, false},
                             NormSizes{2, 4096, false, false, true},  // LLaMA
                             NormSizes{1, 8200, false, true, false}}) {
    expect_norm<dev::Half>(s);
    expect_norm<dev::Bfloat>(s);
  }
}

double reference_of(Activation activation, double x) {
  switch (activation) {
    case Activation::relu:
      return test::relu(x);
    case Activation::gelu:
      return test::gelu(x);
    case Activation::gelu_new:
      return test::gelu_new(x);
    case Activation::quick_gelu:
      return test::quick_gelu(x);
    case Activation::silu:
      break;
  }
  return test::silu(x);
}

template <class T>
void expect_activation(Activation activation, bool gated, bool biased) {
  constexpr std::int32_t kRows = 5, kWidth = 424;
  const std::vector<T> x = half_numbers<T>(kRows * kWidth * (gated ? 2 : 1), 1);
  const std::vector<T> bias = half_numbers<T>(kWidth, 2);
  std::vector<T> y(kRows * kWidth + 8, T{kUntouched});
  const ActivationProblem problem{kElement<T>, activation, kRows, kWidth, gated};
  ASSERT_EQ(activation_refuses(problem), nullptr);
  const ActivationBuffers buffers{x.data(), biased ? bias.data() : nullptr, y.data()};
  emulator::run_in_every_order(y, [&] { EXPECT_EQ(activate(problem, buffers, nullptr, true), 0); });
  for (std::size_t i = 0; i < kRows * kWidth; ++i) {
    const std::size_t row = i / kWidth, column = i % kWidth;
    double value = dev::widen(x[gated ? row * 2 * kWidth + column : i]);
    if (biased) value = static_cast<float>(value) + dev::widen(bias[column]);
    double want = reference_of(activation, value);
    if (gated) want *= dev::widen(x[(row * 2 + 1) * kWidth + column]);
    // Near zero a number of 16 bits has fewer digits.
    ASSERT_NEAR(dev::widen(y[i]), want, (kRoundingOf<T> + 3e-6) * std::abs(want) + 0x1p-25)
        << static_cast<int>(activation) << ", " << value;
  }
  for (std::size_t i = kRows * kWidth; i < y.size(); ++i) ASSERT_EQ(y[i].bits, kUntouched);
}

TEST(CudaActivationTest, AgreesWithDoublePrecision) {
  for (const Activation activation : {Activation::relu, Activation::gelu, Activation::gelu_new,
                                      Activation::quick_gelu, Activation::silu}) {
    expect_activation<dev::Half>(activation, false, true);
    expect_activation<dev::Bfloat>(activation, true, false);
    expect_activation<dev::Half>(activation, true, false);
    expect_activation<dev::Bfloat>(activation, false, false);
  }
}

TEST(CudaRowsTest, RefusesWhatItCannotDo) {
  EXPECT_STREQ(norm_refuses({.rows = 1, .width = 20}), "rows are 8 to 16384 wide, in steps of 8");
  EXPECT_STREQ(norm_refuses({.rows = 1, .width = 16392}),
               "rows are 8 to 16384 wide, in steps of 8");
  EXPECT_STREQ(activation_refuses({.rows = 1, .width = 4}), "rows are as wide as a multiple of 8");
}

}  // namespace
}  // namespace instructblip::kernels::cuda
