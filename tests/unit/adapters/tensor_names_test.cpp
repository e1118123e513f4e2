// The names of other code, one row each way.
#include "adapters/tensor_names.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

namespace instructblip {
namespace {

const std::filesystem::path kCheckpoints =
    std::filesystem::path(INSTRUCTBLIP_SOURCE_DIR) / "tests/golden/checkpoints";

TensorNames names_of(const char* checkpoint) {
  return TensorNames(read_model_config(kCheckpoints / checkpoint));
}

struct Row {
  const char* stored;
  const char* ours;  // null: left out
};

TEST(TensorNames, TranslateXtuner) {
  const TensorNames names = names_of("llava_hub");
  const Row rows[] = {
      {"llm.model.layers.0.mlp.up_proj.weight", "language_model.model.layers.0.mlp.up_proj.weight"},
      {"llm.lm_head.weight", "language_model.lm_head.weight"},
      {"visual_encoder.vision_model.encoder.layers.0.mlp.fc1.bias",
       "vision_tower.encoder.layers.0.mlp.fc1.bias"},
      {"projector.model.0.weight", "multi_modal_projector.linear_1.weight"},
      {"projector.model.2.bias", "multi_modal_projector.linear_2.bias"},
      {"model.0.bias", "multi_modal_projector.linear_1.bias"},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(names.of_part(row.stored), row.ours) << row.stored;
    EXPECT_TRUE(names.is_known(row.stored)) << row.stored;
  }
}

TEST(TensorNames, KnowHeadsThatNoAnswerNeeds) {
  for (const char* name :
       {"v_head.summary.weight", "score.weight", "language_model.score.weight"}) {
    EXPECT_TRUE(TensorNames::is_of_another_head(name)) << name;
  }
  for (const char* name : {"lm_head.weight", "itm_head.weight", "language_model.lm_head.weight"}) {
    EXPECT_FALSE(TensorNames::is_of_another_head(name)) << name;
  }
  EXPECT_TRUE(names_of("llava_hub").is_idle_newline("image_newline"));
  EXPECT_TRUE(names_of("llava_hub").is_idle_newline("model.image_newline"));
  EXPECT_FALSE(names_of("llava_next_hub").is_idle_newline("image_newline"));
}

TEST(TensorNames, TranslateLavis) {
  const TensorNames names = names_of("vicuna_2024");
  const Row rows[] = {
      {"query_tokens", "query_tokens"},
      {"visual_encoder.cls_token", "vision_model.embeddings.class_embedding"},
      {"visual_encoder.pos_embed", "vision_model.embeddings.position_embedding"},
      {"visual_encoder.patch_embed.proj.weight", "vision_model.embeddings.patch_embedding.weight"},
      {"visual_encoder.blocks.0.norm1.bias", "vision_model.encoder.layers.0.layer_norm1.bias"},
      {"visual_encoder.blocks.38.norm2.bias", "vision_model.encoder.layers.38.layer_norm2.bias"},
      {"visual_encoder.blocks.0.attn.qkv.weight",
       "vision_model.encoder.layers.0.self_attn.qkv.weight"},
      {"visual_encoder.blocks.0.attn.q_bias", "vision_model.encoder.layers.0.self_attn.q_bias"},
      {"visual_encoder.blocks.0.attn.proj.bias",
       "vision_model.encoder.layers.0.self_attn.projection.bias"},
      {"visual_encoder.blocks.0.mlp.fc1.weight", "vision_model.encoder.layers.0.mlp.fc1.weight"},
      {"ln_vision.weight", "vision_model.post_layernorm.weight"},
      {"Qformer.bert.embeddings.LayerNorm.weight", "qformer.embeddings.layernorm.weight"},
      {"Qformer.bert.embeddings.word_embeddings.weight",
       "qformer.embeddings.word_embeddings.weight"},
      {"Qformer.bert.embeddings.position_ids", "qformer.embeddings.position_ids"},
      {"Qformer.bert.encoder.layer.0.attention.self.query.weight",
       "qformer.encoder.layer.0.attention.attention.query.weight"},
      {"Qformer.bert.encoder.layer.0.crossattention.self.key.bias",
       "qformer.encoder.layer.0.crossattention.attention.key.bias"},
      {"Qformer.bert.encoder.layer.0.attention.output.LayerNorm.bias",
       "qformer.encoder.layer.0.attention.output.LayerNorm.bias"},
      {"Qformer.bert.encoder.layer.0.intermediate_query.dense.bias",
       "qformer.encoder.layer.0.intermediate_query.dense.bias"},
      {"Qformer.cls.predictions.decoder.weight", nullptr},
      {"temp", nullptr},
      {"temperature", "temperature"},
      {"llm_proj.weight", "language_projection.weight"},
      {"t5_proj.bias", "language_projection.bias"},
      {"opt_proj.bias", "language_projection.bias"},
      {"llm_model.model.layers.0.self_attn.q_proj.weight",
       "language_model.model.layers.0.self_attn.q_proj.weight"},
      {"blocks.0.norm1.bias", "vision_model.encoder.layers.0.layer_norm1.bias"},
      {"blocks.39.norm1.bias", nullptr},  // beyond the layers of this config
      {"cls_token", "vision_model.embeddings.class_embedding"},
      {"vision_proj.weight", "vision_projection.weight"},
      // names that are ours stay as they are
      {"qformer.encoder.layer.0.attention.attention.query.weight",
       "qformer.encoder.layer.0.attention.attention.query.weight"},
      {"language_model.lm_head.weight", "language_model.lm_head.weight"},
      {"model.layers.0.mlp.up_proj.weight", "model.layers.0.mlp.up_proj.weight"},
  };
  for (const Row& row : rows) {
    const std::optional<std::string> got = names.of_model(row.stored);
    ASSERT_EQ(got.has_value(), row.ours != nullptr) << row.stored;
    EXPECT_EQ(got.value_or(""), row.ours == nullptr ? "" : row.ours);
  }
}

TEST(TensorNames, PutTheNormOfBlip2BesideItsLayers) {
  EXPECT_EQ(names_of("blip2_opt").of_model("Qformer.bert.embeddings.LayerNorm.weight"),
            "qformer.layernorm.weight");
}

TEST(TensorNames, KnowTheLanguageModelInsideAFileOfParts) {
  const TensorNames vicuna = names_of("vicuna_2024");
  EXPECT_EQ(vicuna.of_part("model.layers.0.mlp.up_proj.weight"),
            "language_model.model.layers.0.mlp.up_proj.weight");
  EXPECT_EQ(vicuna.of_part("lm_head.weight"), "language_model.lm_head.weight");
  EXPECT_EQ(names_of("t5_2024").of_part("encoder.block.0.layer.0.layer_norm.weight"),
            "language_model.encoder.block.0.layer.0.layer_norm.weight");
  EXPECT_EQ(names_of("blip2_opt").of_part("model.decoder.embed_tokens.weight"),
            "language_model.model.decoder.embed_tokens.weight");
  const TensorNames llava = names_of("llava_hub");
  EXPECT_EQ(llava.of_part("model.language_model.layers.0.mlp.up_proj.weight"),
            "language_model.model.layers.0.mlp.up_proj.weight");
  EXPECT_EQ(llava.of_part("lm_head.weight"), "language_model.lm_head.weight");
  EXPECT_EQ(llava.of_part("model.mm_projector.0.weight"), "multi_modal_projector.linear_1.weight");
  EXPECT_EQ(llava.of_part("model.mm_projector.2.bias"), "multi_modal_projector.linear_2.bias");
  EXPECT_EQ(llava.of_part("model.mm_projector.weight"), "multi_modal_projector.weight");
  EXPECT_EQ(llava.of_part("model.vision_tower.vision_tower.vision_model.encoder.layers.0.a"),
            "vision_tower.encoder.layers.0.a");
}

TEST(TensorNames, KnowWhichNamesAModelHas) {
  const TensorNames vicuna = names_of("vicuna_2024");
  const TensorNames llava = names_of("llava_hub");
  for (const char* name :
       {"query_tokens", "vision_model.encoder.layers.0.a", "visual_encoder.blocks.0.norm1.bias",
        "Qformer.bert.encoder.layer.0.a", "llm_model.model.layers.0.a", "model.layers.0.a",
        "language_model.lm_head.weight", "llm_proj.bias"}) {
    EXPECT_TRUE(vicuna.is_known(name)) << name;
    EXPECT_FALSE(vicuna.is_known("other." + std::string(name))) << name;
  }
  for (const char* name :
       {"model.language_model.layers.0.a", "language_model.model.layers.0.a", "lm_head.weight",
        "model.mm_projector.0.weight", "model.vision_tower.vision_tower.vision_model.encoder.a",
        "model.image_newline", "vision_tower.vision_model.pre_layrnorm.bias"}) {
    EXPECT_TRUE(llava.is_known(name)) << name;
  }
  for (const char* name : {"model.language_model.model.layers.0.a", "model.a", "lm_head", "a",
                           "query_tokens.a", "vision_model.a", "language_model.a"}) {
    EXPECT_FALSE(llava.is_known(name)) << name;
  }
  EXPECT_TRUE(vicuna.is_of_language_model("layers.0.a"));
  EXPECT_TRUE(vicuna.is_of_language_model("model.norm.weight"));
  EXPECT_FALSE(vicuna.is_of_language_model("model.model.norm.weight"));
}

TEST(TensorNames, CompleteTheNamesOfABareLanguageModel) {
  EXPECT_EQ(names_of("vicuna_2024").of_language_model("layers.0.mlp.up_proj.weight"),
            "language_model.model.layers.0.mlp.up_proj.weight");
  EXPECT_EQ(names_of("vicuna_2024").of_language_model("norm.weight"),
            "language_model.model.norm.weight");
  EXPECT_EQ(names_of("vicuna_2024").of_language_model("model.norm.weight"),
            "language_model.model.norm.weight");
  EXPECT_EQ(names_of("blip2_opt").of_language_model("decoder.layers.0.fc1.weight"),
            "language_model.model.decoder.layers.0.fc1.weight");
  EXPECT_EQ(names_of("t5_2024").of_language_model("decoder.block.0.layer.0.layer_norm.weight"),
            "language_model.decoder.block.0.layer.0.layer_norm.weight");
}

TEST(TensorNames, AreWrittenAsTransformers4WritesThem) {
  EXPECT_EQ(names_of("llava_v5").written("vision_tower.pre_layrnorm.bias"),
            "vision_tower.vision_model.pre_layrnorm.bias");
  EXPECT_EQ(names_of("t5_2024").written("vision_model.post_layernorm.bias"),
            "vision_model.post_layernorm.bias");
  const TensorNames retrieval(read_retrieval_config(kCheckpoints / "blip2_itm"));
  EXPECT_EQ(retrieval.written("qformer.embeddings.layernorm.bias"), "qformer.layernorm.bias");
  EXPECT_EQ(retrieval.written("qformer.embeddings.word_embeddings.weight"),
            "embeddings.word_embeddings.weight");
}

}  // namespace
}  // namespace instructblip
