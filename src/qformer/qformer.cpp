#include "qformer/qformer.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>

#include <string_view>
#include <vector>

#include "nn/packing.h"

namespace instructblip {
namespace {

// Where there are no words, the norm has their place.
std::string_view norm_path(const QFormerConfig& config) {
  return config.reads_instruction ? "embeddings.layernorm" : "layernorm";
}

}  // namespace

QFormer::QFormer(const nn::Weights& weights, const QFormerConfig& config)
    : queries_(weights.vector("query_tokens", {1, config.queries, config.hidden})),
      embedding_norm_(weights / "qformer" / norm_path(config), config.hidden,
                      config.layer_norm_eps) {
  if (config.reads_instruction) {
    const nn::Weights tables = weights / "qformer" / "embeddings";
    text_ = Text{{tables / "word_embeddings", config.vocabulary, config.hidden},
                 {tables / "position_embeddings", config.max_positions, config.hidden}};
  }
  layers_.reserve(static_cast<std::size_t>(config.layers));
  for (std::int64_t i = 0; i < config.layers; ++i) {
    layers_.emplace_back(weights / "qformer" / "encoder" / "layer" / i, config, i);
  }
}

// Positions count the text alone; queries have none.
at::Tensor QFormer::embed_text(Ids text) const {
  const auto length = static_cast<std::int64_t>(text.size());
  const at::Tensor positions = text_->positions.table().narrow(0, 0, length).to(at::kFloat);
  return (text_->words(text) + positions).unsqueeze(0);
}

at::Tensor QFormer::embed(std::span<const Ids> instructions) const {
  std::vector<at::Tensor> rows;
  for (const Ids instruction : instructions) {
    rows.push_back(queries_);
    if (!instruction.empty()) rows.push_back(embed_text(instruction));
  }
  return embedding_norm_(at::cat(rows, 1));
}

at::Tensor QFormer::forward_each(std::span<const Ids> instructions,
                                 const at::Tensor& visual) const {
  std::vector<nn::Part> parts;
  std::int64_t rows = 0;
  for (const Ids instruction : instructions) {
    const std::int64_t count = queries_.size(1) + static_cast<std::int64_t>(instruction.size());
    parts.push_back({rows, count});
    rows += count;
  }
  at::Tensor x = embed(instructions);  // [1, N, D]
  for (const QFormerLayer& layer : layers_) x = layer.forward(x, parts, visual);
  return nn::by_part(std::span<const nn::Part>(parts), 0, [&](const nn::Part& part, std::size_t) {
    return x.narrow(1, part.first, queries_.size(1));
  });  // [B, Q, D]
}

at::Tensor QFormer::forward(Ids instruction, const at::Tensor& visual) const {
  const std::vector<Ids> instructions(static_cast<std::size_t>(visual.size(0)), instruction);
  return forward_each(instructions, visual);
}

at::Tensor QFormer::read(Ids text) const {
  at::Tensor x = embedding_norm_(embed_text(text));  // [1, T, D]
  for (const QFormerLayer& layer : layers_) x = layer.forward_text(x);
  return x;
}

}  // namespace instructblip
