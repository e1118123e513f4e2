#include "pipeline/rollout.h"

#include <cstddef>
#include <span>

namespace instructblip {
namespace {

// Row-major matrices of `columns` columns.
using Values = std::vector<double>;

// The mean over heads of [H, rows, columns].
Values mean_of_heads(std::span<const float> weights, std::int64_t heads) {
  const std::size_t size = weights.size() / static_cast<std::size_t>(heads);
  Values mean(size);
  for (std::size_t i = 0; i < weights.size(); ++i) mean[i % size] += weights[i];
  for (double& value : mean) value /= static_cast<double>(heads);
  return mean;
}

// held / 2 + attention held / 2: [N, C] of attention [N, N].
Values attended(const Values& held, const Values& attention, std::size_t rows) {
  const std::size_t columns = held.size() / rows;
  Values next(held.size());
  for (std::size_t i = 0; i < rows; ++i) {
    double* const out = next.data() + i * columns;
    for (std::size_t c = 0; c < columns; ++c) out[c] = held[i * columns + c] / 2;
    for (std::size_t j = 0; j < rows; ++j) {
      const double weight = attention[i * rows + j] / 2;
      const double* const in = held.data() + j * columns;
      for (std::size_t c = 0; c < columns; ++c) out[c] += weight * in[c];
    }
  }
  return next;
}

}  // namespace

std::vector<float> rollout(const std::vector<LayerAttention>& layers, const AttentionSizes& sizes) {
  const auto rows = static_cast<std::size_t>(sizes.rows);
  const auto queries = static_cast<std::size_t>(sizes.queries);
  const auto positions = static_cast<std::size_t>(sizes.positions);
  // What a row holds of the picture, [N, P]; what it holds of queries and text is the rest.
  Values held(rows * positions);
  for (const LayerAttention& layer : layers) {
    held = attended(held, mean_of_heads(layer.self, sizes.heads), rows);
    if (layer.cross.empty()) continue;
    const Values looked = mean_of_heads(layer.cross, sizes.heads);
    for (std::size_t i = 0; i < queries * positions; ++i) held[i] = (held[i] + looked[i]) / 2;
  }
  return {held.begin(), held.begin() + static_cast<std::ptrdiff_t>(queries * positions)};
}

}  // namespace instructblip
