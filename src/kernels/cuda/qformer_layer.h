// A layer of a Q-Former over a few pictures on a CUDA device: eight launches, five where it does
// not look at the pictures. The norm that ends a sub-layer is computed where its result is
// multiplied, by the launch after, that of the layer by the next layer: so rows between layers are
// sums that have still to be normalised.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/cuda/attention.h"
#include "kernels/cuda/rows.h"

namespace instructblip::kernels::cuda {

// Rows are as in src/qformer/qformer_layer.h: N of all pictures, packed; those of one are its
// queries, then its text. B pictures, D = heads * width.
struct QFormerLayerProblem {
  Element element = Element::f16;
  std::int32_t pictures = 0;
  std::int32_t queries = 0;   // each picture has so many
  std::int32_t text = 0;      // rows of text of all pictures; may be 0
  std::int32_t max_rows = 0;  // the longest picture, queries and text
  std::int32_t heads = 0, width = 0;
  std::int32_t inner = 0;  // feed-forward
  float eps = 0.0f;
  Activation activation = Activation::gelu;
  bool looks = false;             // at the pictures
  std::int32_t processors = 132;  // multiprocessors of the device, as in AttentionProblem
};

struct NormWeights {
  const void *weight, *bias;  // [D]
};
struct LinearWeights {
  const void *weight, *bias;  // [outputs, inputs], [outputs]
};

struct QFormerLayerWeights {
  // What the layer before has left to this one: the embeddings' norm, or that of its feed-forwards.
  NormWeights query_input, text_input;
  LinearWeights heads;  // queries, keys, values: [3 D, D]
  LinearWeights self_output;
  NormWeights self_norm;
  LinearWeights cross_query, cross_output;  // where it looks
  NormWeights cross_norm;
  LinearWeights query_expand, query_contract;
  LinearWeights text_expand, text_contract;  // where there is text
};

struct QFormerLayerBuffers {
  void* queries;                   // [B queries, D], without their last norm; in and out
  void* text;                      // [text, D], the same
  const std::int32_t* query_rows;  // [B queries], where they are among the packed
  const std::int32_t* text_rows;   // [text]
  const std::int32_t* offsets;     // [B + 1], where pictures begin among the packed
  // Where it looks:
  const std::int32_t* query_offsets;      // [B + 1], multiples of `queries`
  const std::int32_t* image_offsets;      // [B + 1]
  const void *image_keys, *image_values;  // [positions of all pictures, D], rows image_pitch apart
  std::int64_t image_pitch;
  void* workspace;  // qformer_layer_workspace() bytes, aligned to 16
};

std::size_t qformer_layer_workspace(const QFormerLayerProblem& problem);

// Why it does not take such sizes; null: it does.
const char* qformer_layer_refuses(const QFormerLayerProblem& problem);

// As attend(). The norm of the last layer is left to the caller.
[[nodiscard]] int run_qformer_layer(const QFormerLayerProblem& problem,
                                    const QFormerLayerWeights& weights,
                                    const QFormerLayerBuffers& buffers, void* stream,
                                    bool overlaps_previous);

}  // namespace instructblip::kernels::cuda
