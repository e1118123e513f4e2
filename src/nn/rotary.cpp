#include "nn/rotary.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cos.h>
#include <ATen/ops/gt.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/logical_and.h>
#include <ATen/ops/logical_not.h>
#include <ATen/ops/lt.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/neg.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/reciprocal.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/sin.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/where.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "nn/product.h"

namespace instructblip::nn {
namespace {

constexpr double kPi = 3.141592653589793;

// j / d for j = 0, 2, .., d - 2.
at::Tensor exponents(std::int64_t head_dim) {
  return at::arange(0, head_dim, 2, host(at::kFloat)) / static_cast<double>(head_dim);
}

// The exponent of what theta grows by.
double growth_exponent(std::int64_t head_dim) {
  return static_cast<double>(head_dim) / static_cast<double>(head_dim - 2);
}

// What both halves of a head are multiplied with: [N, d/2] -> [N, 1, d].
at::Tensor twice(const at::Tensor& x) { return at::cat({x, x}, -1).unsqueeze(1); }

// Divides low frequencies and blends those between low and high.
at::Tensor scale_as_llama3(const at::Tensor& frequencies, const RopeScaling& scaling) {
  const auto trained = static_cast<double>(scaling.original_positions);
  const double longest_high = trained / scaling.high_factor;
  const double shortest_low = trained / scaling.low_factor;
  const at::Tensor lengths = at::reciprocal(frequencies) * (2 * kPi);
  const at::Tensor divided =
      at::where(lengths > shortest_low, frequencies / scaling.factor, frequencies);
  const at::Tensor share = (at::reciprocal(lengths) * trained - scaling.low_factor) /
                           (scaling.high_factor - scaling.low_factor);
  const at::Tensor blended = (1 - share) * divided / scaling.factor + share * divided;
  const at::Tensor between = at::logical_and(at::logical_not(lengths < longest_high),
                                             at::logical_not(lengths > shortest_low));
  return at::where(between, blended, divided);
}

}  // namespace

Rotation::Rotation(const Runtime& runtime, const at::Tensor& angles) {
  const at::Tensor both = twice(angles);
  cosine_ = elementwise(runtime, both, [](const at::Tensor& x) { return at::cos(x); });
  sine_ = elementwise(runtime, both, [](const at::Tensor& x) { return at::sin(x); });
  if (runtime.row_type() == at::kFloat) return;
  cosines_ = at::cos(angles);
  sines_ = at::sin(angles);
}

Rotation::Rotation(const at::Tensor& planes)
    : cosines_(planes.select(0, 0)), sines_(planes.select(0, 1)) {}

Heads Rotation::turned(const Heads& heads) const {
  Heads turned = heads;
  turned.turn = this;
  return cosines_.defined() ? turned : settled(turned);
}

Heads Rotation::settled(const Heads& heads) {
  if (heads.turn == nullptr) return heads;
  return {heads.turn->apply(heads.queries), heads.turn->apply(heads.keys), heads.values};
}

// In float32, whatever rows are.
at::Tensor Rotation::apply(const at::Tensor& x) const {
  if (!cosine_.defined()) {
    cosine_ = twice(cosines_);
    sine_ = twice(sines_);
  }
  const std::int64_t half = x.size(-1) / 2;
  const at::Tensor rotated =
      at::cat({-x.narrow(-1, half, half), x.narrow(-1, 0, half)}, -1);  // [N, H, d]
  return (x * cosine_ + rotated * sine_).to(x.scalar_type());
}

// Each step in the order and the types of transformers/modeling_rope_utils.py: a bit more or less
// in a frequency is a different angle at a far position. So it is computed on the host, whatever
// the runtime.
RotaryEmbedding::RotaryEmbedding(const Runtime& runtime, std::int64_t head_dim, double theta,
                                 const RopeScaling& scaling)
    : runtime_(&runtime), head_dim_(head_dim), theta_(theta), scaling_(scaling) {
  if (scaling.type == RopeScaling::Type::dynamic) {  // what grows theta is 1 but for rounding
    const auto trained = static_cast<double>(scaling.original_positions);
    const double growth = scaling.factor * trained / trained - (scaling.factor - 1);
    theta *= std::pow(growth, growth_exponent(head_dim));
  }
  frequencies_ = at::reciprocal(at::pow(theta, exponents(head_dim)));
  if (scaling.type == RopeScaling::Type::linear) frequencies_ = frequencies_ / scaling.factor;
  if (scaling.type == RopeScaling::Type::llama3) {
    frequencies_ = scale_as_llama3(frequencies_, scaling);
  }
  frequencies_ = runtime.upload(frequencies_.unsqueeze(0));
  if (runtime.row_type() == at::kFloat) return;
  const at::Tensor positions = at::arange(kKnown, runtime.options(at::kFloat)).unsqueeze(1);
  const at::Tensor angles = positions * frequencies_;  // [kKnown, d/2]
  planes_ = at::stack({at::cos(angles), at::sin(angles)});
}

Rotation RotaryEmbedding::of(const RowPlaces& places) const {
  const std::vector<std::int32_t> positions(places.positions.begin(), places.positions.end());
  const at::Tensor there = places.there.defined() ? places.there : runtime_->ids(positions);
  if (planes_.defined() && !looks_at(places.lengths)) {
    return Rotation(at::index_select(planes_, 1, there));
  }
  const at::Tensor at_rows = there.to(at::kFloat).unsqueeze(1);  // [N, 1]
  return Rotation(*runtime_, at_rows * frequencies_at(places.lengths));
}

std::int64_t RotaryEmbedding::reach() const {
  std::int64_t most = planes_.defined() ? kKnown : std::numeric_limits<std::int64_t>::max();
  if (scaling_.type == RopeScaling::Type::dynamic) {
    most = std::min(most, scaling_.original_positions);
  }
  return most;
}

bool RotaryEmbedding::looks_at(std::span<const std::int64_t> lengths) const {
  return std::ranges::any_of(lengths, [most = reach()](std::int64_t l) { return l > most; });
}

at::Tensor RotaryEmbedding::frequencies_at(std::span<const std::int64_t> lengths) const {
  if (!looks_at(lengths)) return frequencies_;
  const auto is_long = [&](std::int64_t length) {
    return scaling_.type == RopeScaling::Type::dynamic && length > scaling_.original_positions;
  };
  std::vector<at::Tensor> runs;
  for (std::size_t i = 0; i < lengths.size();) {
    std::size_t end = i + 1;
    while (end < lengths.size() && lengths[end] == lengths[i]) ++end;
    const at::Tensor row = is_long(lengths[i]) ? frequencies_of(lengths[i]) : frequencies_;
    runs.push_back(row.expand({static_cast<std::int64_t>(end - i), -1}));
    i = end;
  }
  return at::cat(runs, 0);
}

// In float32 from the length on, where the reference has a tensor.
at::Tensor RotaryEmbedding::frequencies_of(std::int64_t length) const {
  const at::Tensor so_long = at::scalar_tensor(length, host(at::kLong));
  const at::Tensor stretch = so_long * scaling_.factor / scaling_.original_positions;
  const at::Tensor theta =
      at::pow(stretch - (scaling_.factor - 1), growth_exponent(head_dim_)) * theta_;
  return runtime_->upload(at::reciprocal(at::pow(theta, exponents(head_dim_))).unsqueeze(0));
}

}  // namespace instructblip::nn
