#include "nn/heads.h"

#include <span>
#include <utility>
#include <vector>

#include "nn/device_product.h"
#include "nn/rotary.h"

namespace instructblip::nn {
namespace {

std::array<std::int64_t, 3> rows_of(const HeadsConfig& config) {
  const std::int64_t queries = config.heads * config.head_width;
  const std::int64_t keys = config.key_heads * config.head_width;
  return {queries, keys, keys};
}

std::optional<Linear> read_all(const Weights& weights, const HeadsConfig& config) {
  if (config.memory_width) return std::nullopt;
  const auto [queries, keys, values] = rows_of(config);
  if (config.key.empty()) {
    return Linear(weights / config.query, config.width, queries + keys + values, config.bias);
  }
  return stacked(weights, {{config.query, queries}, {config.key, keys}, {config.value, values}},
                 config.width, config.bias,
                 {.kind = Pairing::Kind::heads, .width = config.head_width});
}

}  // namespace

at::Tensor heads_side_by_side(const at::Tensor& x) {
  const bool fits = x.stride(-1) == 1 && x.stride(-2) == x.size(-1);
  return fits ? x : x.contiguous();
}

HeadsProjection::HeadsProjection(const Weights& weights, const HeadsConfig& config)
    : head_width_(config.head_width),
      rows_(rows_of(config)),
      all_(read_all(weights, config)),
      query_(all_ ? all_->some_rows(0, rows_[0])
                  : Linear(weights / config.query, config.width, rows_[0], config.bias)),
      key_value_(all_ ? all_->some_rows(rows_[0], rows_[1] + rows_[2])
                      : stacked(weights, {{config.key, rows_[1]}, {config.value, rows_[2]}},
                                *config.memory_width, config.bias)) {}

at::Tensor HeadsProjection::in_heads(const at::Tensor& x) const {
  std::vector<std::int64_t> shape = x.sizes().vec();
  shape.back() /= head_width_;
  shape.push_back(head_width_);
  return x.view(shape);
}

Heads HeadsProjection::operator()(const Normed& x) const {
  const std::vector<at::Tensor> each = all_->split(x, rows_);
  return {in_heads(each[0]), in_heads(each[1]), in_heads(each[2])};
}

Heads HeadsProjection::operator()(const Normed& x, const AttentionPlace& place) const {
  if (const auto product = all_->on_device()) {
    const Heads placed = heads_on_device(x, *product, place);
    if (placed.queries.defined()) return placed;
  }
  const Heads heads = (*this)(x);
  return place.turn == nullptr ? heads : place.turn->turned(heads);
}

Heads HeadsProjection::operator()(const at::Tensor& x, const at::Tensor& memory) const {
  const Heads remembered = memory_of(memory);
  return {queries_of(x).queries, remembered.keys, remembered.values};
}

Heads HeadsProjection::queries_of(const Normed& x) const { return {in_heads(query_(x)), {}, {}}; }

std::optional<ProductWith> HeadsProjection::all_on_device() const {
  return all_ ? all_->on_device() : std::nullopt;
}
std::optional<ProductWith> HeadsProjection::queries_on_device() const { return query_.on_device(); }

Heads HeadsProjection::memory_of(const at::Tensor& memory) const {
  const std::vector<at::Tensor> each = key_value_.split(memory, std::span(rows_).subspan(1));
  return {{}, in_heads(each[0]), in_heads(each[1])};
}

}  // namespace instructblip::nn
