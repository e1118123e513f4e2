#include "qformer/qformer.h"

#include <ATen/ops/cat.h>

#include <string_view>
#include <utility>
#include <vector>

#include "nn/arithmetic.h"
#include "nn/gradients.h"
#include "nn/replay.h"

namespace instructblip {
namespace {

// Where there are no words, the norm has their place.
std::string_view norm_path(const QFormerConfig& config) {
  return config.reads_instruction ? "embeddings.layernorm" : "layernorm";
}

}  // namespace

QFormer::QFormer(const nn::Weights& weights, const QFormerConfig& config)
    : runtime_(&weights.runtime()),
      heads_(config.heads),
      queries_(weights.vector("query_tokens", {1, config.queries, config.hidden})),
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

std::vector<nn::Part> QFormer::parts_of(std::span<const Ids> instructions) const {
  std::vector<nn::Part> parts;
  std::int64_t count = 0;
  for (const Ids instruction : instructions) {
    parts.push_back({count, queries_.size(1) + std::ssize(instruction)});
    count += parts.back().count;
  }
  return parts;
}

at::Tensor QFormer::words_of(std::span<const Ids> instructions) const {
  std::vector<std::int32_t> all;
  for (const Ids instruction : instructions) {
    all.insert(all.end(), instruction.begin(), instruction.end());
  }
  if (!all.empty()) text_->words.check(all);
  return runtime_->ids(all);
}

// Positions count the text alone; queries have none.
at::Tensor QFormer::embed_text(const at::Tensor& words) const {
  return nn::sum(text_->words(words), text_->positions.slice(0, words.size(0)));
}

at::Tensor QFormer::embed(std::span<const nn::Part> parts, const at::Tensor& words) const {
  std::vector<at::Tensor> rows;
  std::int64_t read = 0;
  for (const nn::Part& part : parts) {
    rows.push_back(queries_[0]);
    const std::int64_t count = part.count - queries_.size(1);
    if (count > 0) rows.push_back(embed_text(words.narrow(0, read, count)));
    read += count;
  }
  return embedding_norm_(at::cat(rows));
}

at::Tensor QFormer::queries_on_device(std::span<const nn::Part> parts, const at::Tensor& words,
                                      const at::Tensor& visual) const {
  if (runtime_->tables().cuda.qformer_layer.empty()) return {};
  std::vector<std::optional<nn::DeviceQFormerLayer>> all;
  for (const QFormerLayer& layer : layers_) all.push_back(layer.on_device());
  const std::int64_t queries = queries_.size(1), width = queries_.size(2);
  const auto layers = nn::DeviceQFormer::of(*runtime_, all,
                                            {.parts = parts,
                                             .queries = queries,
                                             .heads = heads_,
                                             .head_width = width / heads_,
                                             .before = &embedding_norm_});
  if (!layers) return {};
  std::vector<at::Tensor> text;
  std::int64_t read = 0;
  for (const nn::Part& part : parts) {
    const std::int64_t count = part.count - queries;
    if (count > 0) text.push_back(embed_text(words.narrow(0, read, count)));
    read += count;
  }
  const at::Tensor all_text = text.size() > 1 ? at::cat(text)
                              : text.empty()  ? at::Tensor()
                                              : text[0];
  return layers->run(queries_.repeat({std::ssize(parts), 1, 1}).view({-1, width}), all_text,
                     visual);
}

at::Tensor QFormer::queries_of(at::Tensor x, std::span<const nn::Part> parts,
                               const at::Tensor& visual) const {
  const nn::Rows rows{parts};
  for (const QFormerLayer& layer : std::span(layers_).first(layers_.size() - 1)) {
    x = layer.forward(x, rows, visual);
  }
  return layers_.back().forward_queries(x, rows, visual);
}

at::Tensor QFormer::forward_each(std::span<const Ids> instructions,
                                 const at::Tensor& visual) const {
  const std::vector<nn::Part> parts = parts_of(instructions);
  nn::StepKey key = {reinterpret_cast<std::int64_t>(this)};
  for (const nn::Part& part : parts) key.push_back(part.count);
  return nn::replayed(*runtime_, std::move(key), {words_of(instructions), visual},
                      [&](const nn::Tensors& inputs) {
                        at::Tensor queries = queries_on_device(parts, inputs[0], inputs[1]);
                        if (queries.defined()) return queries;
                        return queries_of(embed(parts, inputs[0]), parts, inputs[1]);
                      });
}

at::Tensor QFormer::forward(Ids instruction, const at::Tensor& visual) const {
  const std::vector<Ids> instructions(static_cast<std::size_t>(visual.size(0)), instruction);
  return forward_each(instructions, visual);
}

std::vector<QFormerAttention> QFormer::attention(Ids instruction, const at::Tensor& visual) const {
  const std::vector<nn::Part> parts = parts_of({&instruction, 1});
  const nn::Rows rows{parts};
  std::vector<QFormerAttention> all;
  at::Tensor x = embed(parts, words_of({&instruction, 1}));  // [N, D]
  for (const QFormerLayer& layer : layers_) {
    all.push_back(layer.attention(x, rows, visual));
    x = layer.forward(x, rows, visual);
  }
  return all;
}

QFormerTrace QFormer::watched(Ids instruction, const at::Tensor& visual) const {
  const std::vector<nn::Part> parts = parts_of({&instruction, 1});
  const nn::Rows rows{parts};
  const at::Tensor picture = nn::watchable(visual);
  QFormerTrace trace;
  at::Tensor x = nn::watchable(embed(parts, words_of({&instruction, 1})));  // [N, D]
  for (const QFormerLayer& layer : layers_) {
    at::Tensor cross;
    x = layer.forward(x, rows, picture, &cross);
    if (cross.defined()) trace.cross.push_back(std::move(cross));
  }
  trace.queries = x.narrow(0, 0, queries_.size(1)).unsqueeze(0);
  return trace;
}

at::Tensor QFormer::read(Ids text) const {
  const std::vector<nn::Part> parts = {{0, std::ssize(text)}};
  const nn::Rows rows{parts};
  at::Tensor x = embedding_norm_(embed_text(words_of({&text, 1})));  // [T, D]
  for (const QFormerLayer& layer : layers_) x = layer.forward_text(x, rows);
  return x.unsqueeze(0);
}

}  // namespace instructblip
