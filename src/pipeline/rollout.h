// Attention followed through the layers of a Q-Former.
#pragma once

#include <cstdint>
#include <vector>

namespace instructblip {

// N rows: Q queries, then the text | P positions of the picture | H heads

// Attention weights of one layer, row-major.
struct LayerAttention {
  std::vector<float> self;   // [H, N, N]
  std::vector<float> cross;  // [H, Q, P]; empty where the layer does not look at the picture
};

struct AttentionSizes {
  std::int64_t heads, queries, rows, positions;
};

// Share of each position in what each query holds behind the last layer, [Q, P]: see Explanation.
std::vector<float> rollout(const std::vector<LayerAttention>& layers, const AttentionSizes& sizes);

}  // namespace instructblip
