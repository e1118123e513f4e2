#include <algorithm>
#include <string>
#include <utility>

#include "core/boundary.h"
#include "instructblip/explain.h"

namespace instructblip {
namespace {

void check_range(const std::string& name, int value, int low, std::size_t count) {
  if (value >= low && value < static_cast<int>(count)) return;
  throw Error(ErrorCode::invalid_argument,
              "explanation: " + name + ": expected " + std::to_string(low) + " to " +
                  std::to_string(static_cast<int>(count) - 1) + ", got " + std::to_string(value));
}

// The values in proportion, so that they add up to 1; 0 everywhere where all are.
std::vector<float> normalized(std::vector<float> values) {
  float total = 0;
  for (const float value : values) total += value;
  for (float& value : values) value = total > 0 ? value / total : 0;
  return values;
}

// [count] for all, else the one that is meant.
struct Chosen {
  int begin, end;

  Chosen(int number, int count)
      : begin(number < 0 ? 0 : number), end(number < 0 ? count : number + 1) {}
  int size() const { return end - begin; }
};

}  // namespace

std::vector<float> Explanation::patches(int picture, int layer, int head, int query) const {
  return at_boundary([&] {
    check_range("picture", picture, 0, pictures.size());
    check_range("layer", layer, -1, cross_layers.size());
    check_range("head", head, -1, static_cast<std::size_t>(heads));
    check_range("query", query, -1, static_cast<std::size_t>(queries));
    const Chosen some_layers(layer, static_cast<int>(cross_layers.size()));
    const Chosen some_heads(head, heads), some_queries(query, queries);
    const int patches = grid_rows * grid_columns, first = positions - patches;
    std::vector<float> sum(static_cast<std::size_t>(patches));
    for (int l = some_layers.begin; l < some_layers.end; ++l) {
      for (int h = some_heads.begin; h < some_heads.end; ++h) {
        for (int q = some_queries.begin; q < some_queries.end; ++q) {
          const auto row = static_cast<std::size_t>((l * heads + h) * queries + q);
          const float* const weights = pictures[static_cast<std::size_t>(picture)].cross.data() +
                                       row * static_cast<std::size_t>(positions) + first;
          for (std::size_t p = 0; p < sum.size(); ++p) sum[p] += weights[p];
        }
      }
    }
    const auto count =
        static_cast<float>(some_layers.size() * some_heads.size() * some_queries.size());
    for (float& value : sum) value /= count;
    return sum;
  });
}

std::vector<float> Explanation::rollout_patches(int picture) const {
  return at_boundary([&] {
    check_range("picture", picture, 0, pictures.size());
    const int patches = grid_rows * grid_columns, first = positions - patches;
    std::vector<float> mean(static_cast<std::size_t>(patches));
    for (int q = 0; q < queries; ++q) {
      const float* const shares =
          pictures[static_cast<std::size_t>(picture)].rollout.data() + q * positions + first;
      for (std::size_t p = 0; p < mean.size(); ++p) {
        mean[p] += shares[p] / static_cast<float>(queries);
      }
    }
    return mean;
  });
}

std::vector<float> Explanation::token_patches(int token, int picture) const {
  return at_boundary([&] {
    check_range("picture", picture, 0, pictures.size());
    check_range("token", token, 0, relevance.empty() ? 0 : scored.tokens.size());
    const int patches = grid_rows * grid_columns, first = positions - patches;
    std::vector<float> sum(static_cast<std::size_t>(patches));
    const std::size_t all = pictures.size() * static_cast<std::size_t>(queries);
    for (int q = 0; q < queries; ++q) {
      const auto column = static_cast<std::size_t>(picture * queries + q);
      const float weight =
          std::max(0.0F, relevance[static_cast<std::size_t>(token) * all + column]);
      const float* const shares =
          pictures[static_cast<std::size_t>(picture)].rollout.data() + q * positions + first;
      for (std::size_t p = 0; p < sum.size(); ++p) sum[p] += weight * shares[p];
    }
    return normalized(std::move(sum));
  });
}

std::vector<float> Explanation::gradcam_patches(int token, int picture, int layer) const {
  return at_boundary([&] {
    check_range("picture", picture, 0, pictures.size());
    check_range("token", token, 0, gradcam.empty() ? 0 : scored.tokens.size());
    check_range("layer", layer, -1, cross_layers.size());
    const Chosen some_layers(layer, static_cast<int>(cross_layers.size()));
    const int patches = grid_rows * grid_columns, first = positions - patches;
    std::vector<float> sum(static_cast<std::size_t>(patches));
    const int before = (token * static_cast<int>(pictures.size()) + picture) *
                       static_cast<int>(cross_layers.size());
    for (int row = (before + some_layers.begin) * queries;
         row < (before + some_layers.end) * queries; ++row) {
      const float* const weights = gradcam.data() + std::ptrdiff_t{row} * positions + first;
      for (std::size_t p = 0; p < sum.size(); ++p) sum[p] += weights[p];
    }
    return normalized(std::move(sum));
  });
}

}  // namespace instructblip
