#include "adapters/vocabulary_rows.h"

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "checkpoint/tensor_recipe.h"
#include "core/errors.h"
#include "core/log.h"

namespace instructblip {
namespace {

// Special tokens, and rows up to a multiple of 64 or 128.
constexpr std::int64_t kMostMadeUp = 128;

using Names = std::vector<std::string_view>;

Names tables_of(const T5Config&) {
  return {"language_model.shared.weight", "language_model.encoder.embed_tokens.weight",
          "language_model.decoder.embed_tokens.weight", "language_model.lm_head.weight"};
}
Names tables_of(const LlamaConfig&) {
  return {"language_model.model.embed_tokens.weight", "language_model.lm_head.weight"};
}
Names tables_of(const OptConfig&) {
  return {"language_model.model.decoder.embed_tokens.weight", "language_model.lm_head.weight"};
}

std::int64_t width_of(const T5Config& c) { return c.hidden; }
std::int64_t width_of(const LlamaConfig& c) { return c.hidden; }
std::int64_t width_of(const OptConfig& c) { return c.embedding_width; }

// Those of the right width; any other is reported with its shape later.
std::vector<WeightLayers::Tensor*> tables_in(WeightLayers& layers, const LanguageConfig& config) {
  const Names names = std::visit([](const auto& c) { return tables_of(c); }, config);
  const std::int64_t width = std::visit([](const auto& c) { return width_of(c); }, config);
  std::vector<WeightLayers::Tensor*> tables;
  for (const std::string_view name : names) {
    const auto found = layers.tensors().find(name);
    if (found == layers.tensors().end()) continue;
    const Shape& shape = found->second.entry.shape;
    if (shape.size() == 2 && shape[1] == width && shape[0] > 0) tables.push_back(&found->second);
  }
  return tables;
}

void check_difference(const TensorEntry& entry, std::int64_t described) {
  const std::int64_t rows = entry.shape[0];
  if (std::abs(rows - described) <= kMostMadeUp) return;
  throw Error(ErrorCode::bad_model,
              printable(entry.file) + ": " + printable(entry.name) + " has rows for " +
                  std::to_string(rows) + " words, but text_config.vocab_size is " +
                  std::to_string(described),
              "give the language model that this checkpoint was trained with");
}

void fill(TensorEntry& entry, std::int64_t rows) {
  if (entry.recipe) {
    throw Error(
        ErrorCode::bad_model,
        printable(entry.file) + ": an adapter changes " + printable(entry.name) +
            ", which has rows for " + std::to_string(entry.shape[0]) + " words, expected " +
            std::to_string(rows),
        "merge the adapter into its model with peft (merge_and_unload) and load the result");
  }
  log_info(printable(entry.file) + ": " + printable(entry.name) + ": " +
           std::to_string(rows - entry.shape[0]) + " rows behind its " +
           std::to_string(entry.shape[0]) + " are its mean row");
  auto recipe = std::make_shared<TensorRecipe>();
  recipe->base = entry;
  entry.recipe = std::move(recipe);
  entry.bytes = {};
  entry.shape[0] = rows;
}

}  // namespace

void fit_vocabulary(WeightLayers& layers, ModelConfig& config) {
  const std::vector<WeightLayers::Tensor*> tables = tables_in(layers, config.text);
  std::int64_t& described =
      std::visit([](auto& c) -> std::int64_t& { return c.vocabulary; }, config.text);
  std::int64_t rows = described;
  bool differs = false;
  for (const WeightLayers::Tensor* table : tables) {
    if (table->from_checkpoint || table->entry.shape[0] == described) continue;
    check_difference(table->entry, described);
    rows = std::max(rows, table->entry.shape[0]);
    differs = true;
  }
  if (!differs) return;
  if (rows > described) {
    log_info("the language model has rows for " + std::to_string(rows) +
             " words, text_config.vocab_size is " + std::to_string(described));
  }
  for (WeightLayers::Tensor* table : tables) {
    check_difference(table->entry, described);
    if (table->entry.shape[0] < rows) fill(table->entry, rows);
  }
  described = rows;
}

void fit_words(const WeightLayers& layers, QFormerConfig& config) {
  const auto found = layers.tensors().find("qformer.embeddings.word_embeddings.weight");
  if (found == layers.tensors().end() || found->second.from_checkpoint) return;
  const TensorEntry& entry = found->second.entry;
  const Shape& shape = entry.shape;
  if (shape.size() != 2 || shape[1] != config.hidden || shape[0] < 1) return;
  if (shape[0] == config.vocabulary || std::abs(shape[0] - config.vocabulary) > kMostMadeUp) return;
  log_info(printable(entry.file) + ": the Q-Former has rows for " + std::to_string(shape[0]) +
           " words, qformer_config.vocab_size is " + std::to_string(config.vocabulary));
  config.vocabulary = shape[0];
}

}  // namespace instructblip
