// What the stages compute with ATen, against plain loops in double precision.
#include "kernels/composition.h"

#include <ATen/ops/equal.h>

#include <map>
#include <string>

#include "checkpoint/safetensors_writer.h"
#include "checkpoint/tensor_store.h"
#include "nn/activation.h"
#include "nn/embedding.h"
#include "nn/linear.h"
#include "nn/normalization.h"
#include "nn/relative_bias.h"
#include "nn/rotary.h"
#include "support/operations.h"
#include "support/temp_directory.h"

namespace instructblip::kernels {
namespace {

using nn::Numerics;

// Weights of one layer, read as a checkpoint's are.
class Checkpoint {
 public:
  Checkpoint(const nn::Runtime& runtime,
             const std::map<std::string, std::pair<Shape, std::vector<float>>>& tensors,
             nn::Format format = nn::Format::f32)
      : loader_(runtime, store(tensors), {.format = format}) {}

  nn::Weights root() { return loader_.root(); }

 private:
  std::shared_ptr<const TensorStore> store(
      const std::map<std::string, std::pair<Shape, std::vector<float>>>& tensors) {
    std::vector<TensorToWrite> written;
    for (const auto& [name, tensor] : tensors) {
      written.push_back({name, DType::f32, tensor.first, std::as_bytes(std::span(tensor.second))});
    }
    write_safetensors(directory_.path() / "model.safetensors", written);
    return std::make_shared<const TensorStore>(TensorStore::open(directory_.path()));
  }

  test::TempDirectory directory_;
  nn::WeightLoader loader_;
};

class Composition : public testing::TestWithParam<Numerics> {
 protected:
  const nn::Runtime runtime_{1, GetParam()};
};

struct Moments {
  double mean = 0.0, size = 0.0, variance = 0.0;  // size: of the numbers without their signs
};

Moments moments_of(std::span<const float> x) {
  Moments m;
  const auto count = static_cast<double>(x.size());
  for (const float value : x) {
    m.mean += value / count;
    m.size += std::fabs(value) / count;
  }
  for (const float value : x) m.variance += (value - m.mean) * (value - m.mean) / count;
  return m;
}

// The mean is off by the roundings of a sum; so is the variance, whose running form also feels how
// far the mean is from zero (Chan, Golub and LeVeque, 1983). The root halves that.
std::vector<double> layer_norm_bound(std::span<const float> x, std::span<const float> weight,
                                     std::span<const float> bias, double eps) {
  const auto n = static_cast<std::int64_t>(x.size());
  const Moments m = moments_of(x);
  const double mean_off = roundings(n + 2) * m.size;
  const double variance_off =
      roundings(2 * n + 8) * (m.variance + std::fabs(m.mean) * std::sqrt(m.variance)) +
      mean_off * mean_off;
  const double root_off = variance_off / (m.variance + eps);
  const double root = 1.0 / std::sqrt(m.variance + eps);
  std::vector<double> bound;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double scale = (weight.empty() ? 1.0 : std::fabs(weight[i])) * root * (1.0 + root_off);
    const double around = std::fabs(x[i]) + std::fabs(m.mean);
    bound.push_back(scale * (mean_off + roundings(4) * around) +
                    scale * std::fabs(x[i] - m.mean) * (root_off + roundings(6)) +
                    2 * kRounding * (bias.empty() ? 0.0 : std::fabs(bias[i])) + underflow(1));
  }
  return bound;
}

TEST_P(Composition, LayerNorm) {
  constexpr double kEps = 1e-5;
  for (const std::int64_t width : odd_sizes()) {
    std::vector<float> x = numbers(3 * width, 1);
    for (std::int64_t i = width; i < 2 * width; ++i) x[static_cast<std::size_t>(i)] += 30.0f;
    const std::vector<float> weight = numbers(width, 2), bias = numbers(width, 3);
    Checkpoint checkpoint(runtime_, {{"weight", {{width}, weight}}, {"bias", {{width}, bias}}});
    const at::Tensor affine = nn::LayerNorm(checkpoint.root(), width, kEps)(tensor(x, {3, width}));
    const at::Tensor plain = nn::LayerNorm(runtime_, kEps)(tensor(x, {3, width}));
    for (std::int64_t row = 0; row < 3; ++row) {
      const auto own = std::span<const float>(x).subspan(static_cast<std::size_t>(row * width),
                                                         static_cast<std::size_t>(width));
      expect_near(values_of(affine[row]), test::layer_norm(own, weight, bias, kEps),
                  layer_norm_bound(own, weight, bias, kEps));
      expect_near(values_of(plain[row]), test::layer_norm(own, {}, {}, kEps),
                  layer_norm_bound(own, {}, {}, kEps));
    }
  }
}

// A sum of squares has one sign: its relative error is that of its roundings, halved by the root.
TEST_P(Composition, RmsNorm) {
  constexpr double kEps = 1e-6;
  for (const std::int64_t width : odd_sizes()) {
    const std::vector<float> x = numbers(3 * width, 1), weight = numbers(width, 2);
    Checkpoint checkpoint(runtime_, {{"weight", {{width}, weight}}});
    const at::Tensor y = nn::RmsNorm(checkpoint.root(), width, kEps)(tensor(x, {3, width}));
    for (std::int64_t row = 0; row < 3; ++row) {
      const auto own = std::span<const float>(x).subspan(static_cast<std::size_t>(row * width),
                                                         static_cast<std::size_t>(width));
      const std::vector<double> want = test::rms_norm(own, weight, kEps);
      std::vector<double> bound;
      for (const double value : want) {
        bound.push_back(std::fabs(value) * (roundings(width + 2) / 2 + roundings(6)) +
                        underflow(1));
      }
      expect_near(values_of(y[row]), want, bound);
    }
  }
}

// An angle is off by the roundings of its frequency, above all of the exponent, which log(theta)
// magnifies; a far position magnifies that.
TEST_P(Composition, Rotary) {
  constexpr double kTheta = 10000.0;
  const std::vector<std::int64_t> positions = {0, 1, 2, 63, 64, 257, 4095};
  const auto rows = static_cast<std::int64_t>(positions.size());
  for (const std::int64_t width : {2, 4, 6, 30, 32, 34, 64, 80, 126, 128}) {
    const nn::RotaryEmbedding embedding(runtime_, width, kTheta, {});
    const std::vector<float> x = numbers(rows * width, 1);
    const at::Tensor y =
        embedding.of({positions, std::vector<std::int64_t>(positions.size(), 4096)})
            .apply(tensor(x, {rows, 1, width}))
            .contiguous();
    for (std::int64_t row = 0; row < rows; ++row) {
      const std::int64_t position = positions[static_cast<std::size_t>(row)];
      const auto own = std::span<const float>(x).subspan(static_cast<std::size_t>(row * width),
                                                         static_cast<std::size_t>(width));
      std::vector<double> bound;
      for (std::int64_t i = 0; i < width; ++i) {
        const std::int64_t j = i % (width / 2);
        const double angle =
            static_cast<double>(position) *
            std::pow(kTheta, -2.0 * static_cast<double>(j) / static_cast<double>(width));
        const double off = angle * kRounding * (std::log(kTheta) + 6) + 3 * kRounding;
        const double size = std::fabs(own[static_cast<std::size_t>(i)]) +
                            std::fabs(own[static_cast<std::size_t>((i + width / 2) % width)]);
        bound.push_back(size * (off + roundings(3)) + underflow(1));
      }
      expect_near(values_of(y[row]), test::rotary(own, position, kTheta), bound);
    }
  }
}

// Each bucket has a number of its own; on a border between two, rounding decides.
TEST_P(Composition, RelativeBias) {
  constexpr std::int64_t kHeads = 3;
  for (const auto& [count, longest] : {std::pair<std::int64_t, std::int64_t>{32, 128}, {8, 20}}) {
    std::vector<float> table(static_cast<std::size_t>(count * kHeads));
    for (std::size_t i = 0; i < table.size(); ++i) table[i] = static_cast<float>(i);
    Checkpoint checkpoint(runtime_, {{"relative_attention_bias.weight", {{count, kHeads}, table}}});
    using Direction = nn::RelativeBiasConfig::Direction;
    for (const Direction direction : {Direction::both, Direction::past}) {
      const nn::RelativeBias bias(checkpoint.root(), {count, longest, kHeads, direction});
      const std::int64_t first = direction == Direction::past ? 150 : 0;
      const at::Tensor got = bias.between(first, 7, 300).contiguous();  // [H, 7, 300]
      for (std::int64_t query = 0; query < 7; ++query) {
        for (std::int64_t key = 0; key < 300; ++key) {
          const double bucket = test::relative_bucket(
              key - first - query, {count, longest, direction == Direction::both});
          const auto at = static_cast<std::size_t>((query * 300 + key));
          for (std::int64_t head = 0; head < kHeads; ++head) {
            const float value = values_of(got[head])[at];
            const auto low =
                static_cast<float>(std::floor(bucket - 1e-5) * kHeads) + static_cast<float>(head);
            const auto high =
                static_cast<float>(std::floor(bucket + 1e-5) * kHeads) + static_cast<float>(head);
            ASSERT_TRUE(value == low || value == high) << key - first - query << ": " << value;
          }
        }
      }
      const nn::RowBiases rows(bias, {{first, 7, 300}});
      const at::Tensor& by_distance = rows.by_distance_of(0);  // [H, 306]
      ASSERT_EQ(by_distance.sizes(), at::IntArrayRef({kHeads, 306}));
      for (std::int64_t query = 0; query < 7; ++query) {
        const at::Tensor own = by_distance.narrow(1, 6 - query, 300);
        EXPECT_TRUE(own.equal(rows.of(0).select(1, query))) << query;
      }
    }
  }
}

TEST_P(Composition, Embedding) {
  for (const std::int64_t width : odd_sizes()) {
    const std::vector<float> table = numbers(9 * width, 1);
    for (const nn::Format format : {nn::Format::f32, nn::Format::f16, nn::Format::bf16}) {
      Checkpoint checkpoint(runtime_, {{"weight", {{9, width}, table}}}, format);
      const nn::Embedding embedding(checkpoint.root(), 9, width);
      const std::vector<std::int32_t> ids = {8, 0, 3, 3};
      const at::Tensor got = embedding(ids);
      for (std::size_t i = 0; i < ids.size(); ++i) {
        const auto row = static_cast<std::int64_t>(i);
        EXPECT_TRUE(at::equal(got[row], embedding.slice(ids[i], 1)[0]));
        for (std::int64_t j = 0; j < width; ++j) {
          const double value = table[static_cast<std::size_t>(ids[i] * width + j)];
          // 11 significant bits in f16, 8 in bf16.
          const double off = format == nn::Format::f32   ? 0
                             : format == nn::Format::f16 ? 0x1p-11
                                                         : 0x1p-8;
          ASSERT_NEAR(values_of(got[row])[static_cast<std::size_t>(j)], value,
                      std::fabs(value) * off + (off > 0 ? 0x1p-25 : 0));
        }
      }
    }
  }
}

struct ActivationCase {
  instructblip::Activation activation;
  double (*reference)(double);
  // What a result may be off beside a few roundings of its own.
  double (*off)(double x);
};

// torch's erf is formula 7.1.26 of Abramowitz and Stegun, off by 1.5e-7 at most, and by the
// roundings of its terms and its argument; 1 + erf, of the size of 1, by one more.
double gelu_off(double x) { return std::fabs(x) / 2 * (1.5e-7 + 8 * kRounding); }
double gelu_new_off(double x) {
  const double z = std::fabs(std::sqrt(2 / 3.141592653589793) * (x + 0.044715 * x * x * x));
  const double slope = 1 / (std::cosh(std::min(z, 300.0)) * std::cosh(std::min(z, 300.0)));
  return std::fabs(x) / 2 * kRounding * (3 + 8 * z * slope);
}
// exp(-z) is off by what z is, relatively, and by a unit; where it is more than a float holds, the
// result is 0.
double sigmoid_off(double x, double z) {
  const double value = std::fabs(x) / (1.0 + std::exp(-z));
  return value * kRounding * (2 * std::fabs(z) + 4) + std::fabs(x) * 0x1p-126;
}
double quick_gelu_off(double x) { return sigmoid_off(x, 1.702 * x); }
double silu_off(double x) { return sigmoid_off(x, x); }
double nothing(double) { return 0.0; }

TEST_P(Composition, Activations) {
  const ActivationCase cases[] = {
      {instructblip::Activation::gelu, test::gelu, gelu_off},
      {instructblip::Activation::gelu_new, test::gelu_new, gelu_new_off},
      {instructblip::Activation::linear, [](double x) { return x; }, nothing},
      {instructblip::Activation::quick_gelu, test::quick_gelu, quick_gelu_off},
      {instructblip::Activation::relu, test::relu, nothing},
      {instructblip::Activation::silu, test::silu, silu_off},
  };
  for (const ActivationCase& c : cases) {
    for (const std::int64_t width : odd_sizes()) {
      for (const float scale : {0.01f, 1.0f, 12.0f}) {
        std::vector<float> x = numbers(2 * width, 1);
        for (float& value : x) value *= scale;
        const at::Tensor y = nn::activate(runtime_, c.activation, tensor(x, {2, width}));
        std::vector<double> want, bound;
        for (const float value : x) {
          want.push_back(c.reference(value));
          const bool exact = c.off == nothing;
          bound.push_back(c.off(value) +
                          (exact ? 0.0 : roundings(5) * std::fabs(want.back()) + underflow(1)));
        }
        SCOPED_TRACE(static_cast<int>(c.activation));
        expect_near(values_of(y.contiguous()), want, bound);
      }
    }
  }
}

// With weights as they are held: what is measured is the sum, whatever library makes it.
TEST_P(Composition, Linear) {
  for (const auto type : {at::kFloat, at::kHalf, at::kBFloat16}) {
    for (const std::int64_t inputs : odd_sizes()) {
      for (const std::int64_t outputs : {1, 2, 17, 64, 257}) {
        const std::int64_t rows = outputs % 5 + 1;
        const std::vector<float> x = numbers(rows * inputs, 1), bias = numbers(outputs, 3);
        const at::Tensor weight = tensor(numbers(outputs * inputs, 2), {outputs, inputs}).to(type);
        const at::Tensor wide = weight.to(at::kFloat);
        const nn::Linear linear(runtime_, nn::Matrix(weight), tensor(bias, {outputs}));
        const at::Tensor y = linear(tensor(x, {rows, inputs})).contiguous();
        std::vector<double> want, bound;
        for (std::int64_t i = 0; i < rows * outputs; ++i) {
          double sum = bias[static_cast<std::size_t>(i % outputs)], size = std::fabs(sum);
          for (std::int64_t k = 0; k < inputs; ++k) {
            const double term =
                static_cast<double>(x[static_cast<std::size_t>(i / outputs * inputs + k)]) *
                values_of(wide)[static_cast<std::size_t>(i % outputs * inputs + k)];
            sum += term;
            size += std::fabs(term);
          }
          want.push_back(sum);
          bound.push_back(roundings(inputs + 2) * size + underflow(inputs));
        }
        expect_near(values_of(y), want, bound);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Numerics, Composition,
                         testing::Values(Numerics::reference, Numerics::deterministic));

}  // namespace
}  // namespace instructblip::kernels
