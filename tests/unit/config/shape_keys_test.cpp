#include "config/shape_keys.h"

#include <gtest/gtest.h>

#include <string>

namespace instructblip {
namespace {

TEST(ShapeKeysTest, NameTheKeysBehindAShape) {
  const struct {
    const char* tensor;
    const char* keys;
    const char* hint;
  } rows[] = {
      {"qformer.encoder.layer.0.crossattention.attention.key.weight", "vision_config.hidden_size",
       "another vision encoder"},
      {"qformer.encoder.layer.0.attention.attention.key.weight", "qformer_config",
       "two checkpoints"},
      {"qformer.embeddings.word_embeddings.weight", "qformer_config.vocab_size", "two checkpoints"},
      {"query_tokens", "num_query_tokens", "two checkpoints"},
      {"vision_model.embeddings.position_embedding", "vision_config.image_size",
       "another resolution"},
      {"vision_tower.embeddings.position_embedding.weight", "vision_config.image_size",
       "another resolution"},
      {"vision_tower.embeddings.patch_embedding.weight", "vision_config.hidden_size and patch_size",
       "two checkpoints"},
      {"vision_model.encoder.layers.3.mlp.fc1.weight", "vision_config", "two checkpoints"},
      {"language_model.model.layers.0.mlp.up_proj.weight", "text_config", "another size"},
      {"language_model.model.embed_tokens.weight", "text_config.vocab_size", "another size"},
      {"language_model.shared.weight", "text_config.vocab_size", "another size"},
      {"language_projection.weight", "qformer_config.hidden_size", "another size"},
      {"multi_modal_projector.linear_1.weight", "vision_feature_layer", "another size"},
      {"text_projection.weight", "image_text_hidden_size", "two checkpoints"},
  };
  for (const auto& row : rows) {
    const ShapeKeys keys = shape_keys_of(row.tensor);
    EXPECT_NE(std::string(keys.keys).find(row.keys), std::string::npos) << row.tensor;
    EXPECT_NE(std::string(keys.hint).find(row.hint), std::string::npos) << row.tensor;
  }
  EXPECT_TRUE(shape_keys_of("a.weight").keys.empty());
}

}  // namespace
}  // namespace instructblip
