#include "kernels/reference/packed_linear.h"

#include <cmath>
#include <cstring>
#include <numbers>
#include <vector>

#include "kernels/reference/norm.h"

namespace instructblip::kernels::reference {
namespace {

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

double activated(Activation activation, double x) {
  constexpr double kTwiceRoot = 2 * std::numbers::sqrt2 * std::numbers::inv_sqrtpi;
  switch (activation) {
    case Activation::none:
      break;
    case Activation::relu:
      return x < 0 ? 0 : x;
    case Activation::gelu:
      return x / 2 * std::erfc(-x / std::numbers::sqrt2);
    case Activation::gelu_new:
      return x * sigmoid(kTwiceRoot * (x + 0.044715 * x * x * x));
    case Activation::quick_gelu:
      return x * sigmoid(1.702 * x);
    case Activation::silu:
      return x * sigmoid(x);
  }
  return x;
}

// One row of the matrix with all rows of x, each product rounded, and the bias added.
std::vector<float> times_row(const PackedLinearProblem& p, const PackedLinearBuffers& b,
                             std::int64_t output) {
  std::vector<float> weights(static_cast<std::size_t>(p.inputs));
  if (p.in_rows) {
    const std::size_t bytes = weights.size() * sizeof(float);
    if (bytes > 0) {
      std::memcpy(weights.data(), b.weights + static_cast<std::size_t>(output) * bytes, bytes);
    }
  } else {
    const std::size_t panel = bytes_of_panel(p.weights, p.inputs);
    unpack_row(p.weights, b.weights + static_cast<std::size_t>(output / kRowsOfPanel) * panel,
               output % kRowsOfPanel, p.inputs, weights.data());
  }
  std::vector<float> products;
  for (std::int64_t row = 0; row < p.rows; ++row) {
    double sum = 0.0;
    for (std::int64_t i = 0; i < p.inputs; ++i) {
      sum += static_cast<double>(b.x[row * p.inputs + i]) * weights[static_cast<std::size_t>(i)];
    }
    const auto product = static_cast<float>(sum);
    products.push_back(b.bias == nullptr ? product : product + b.bias[output]);
  }
  return products;
}

}  // namespace

void packed_linear(const PackedLinearProblem& p, const PackedLinearBuffers& given, Queue& queue) {
  PackedLinearBuffers b = given;
  std::vector<float> normed;
  if (b.norm != nullptr) {
    normed.resize(static_cast<std::size_t>(p.rows * p.inputs));
    norm({.rows = p.rows, .width = p.inputs, .eps = p.eps, .centred = p.centred},
         {.x = b.x, .weight = b.norm, .bias = b.norm_bias, .y = normed.data()}, queue);
    b.x = normed.data();
  }
  const std::int64_t results = p.results();
  queue.run(results, 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t output = first; output < last; ++output) {
      const std::vector<float> products = times_row(p, b, output);
      const std::vector<float> times =
          p.gated ? times_row(p, b, results + output) : std::vector<float>();
      for (std::int64_t row = 0; row < p.rows; ++row) {
        const auto i = static_cast<std::size_t>(row);
        auto y = static_cast<float>(activated(p.activation, products[i]));
        if (p.gated) y *= times[i];
        if (b.plus != nullptr) y += b.plus[row * results + output];
        b.y[row * results + output] = y;
      }
    }
  });
}

}  // namespace instructblip::kernels::reference
