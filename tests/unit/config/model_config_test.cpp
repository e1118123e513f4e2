#include "config/model_config.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <string>

#include "core/json.h"
#include "expected_generation.h"
#include "support/temp_directory.h"

namespace instructblip {
namespace {

// The reference's names, of which several stand for one function.
Activation activation_of(const Json& name) {
  static const std::map<std::string, Activation> known = {
      {"gelu", Activation::gelu}, {"gelu_new", Activation::gelu_new},
      {"relu", Activation::relu}, {"gelu_pytorch_tanh", Activation::gelu_new},
      {"silu", Activation::silu}, {"quick_gelu", Activation::quick_gelu},
  };
  return known.at(name.string());
}

void expect_vision(const VitConfig& config, const Json& expected) {
  EXPECT_EQ(config.hidden, expected.at("hidden_size").integer());
  EXPECT_EQ(config.feed_forward, expected.at("intermediate_size").integer());
  EXPECT_EQ(config.layers, expected.at("num_hidden_layers").integer());
  EXPECT_EQ(config.heads, expected.at("num_attention_heads").integer());
  EXPECT_EQ(config.image_size, expected.at("image_size").integer());
  EXPECT_EQ(config.patch_size, expected.at("patch_size").integer());
  EXPECT_EQ(config.activation, activation_of(expected.at("hidden_act")));
  EXPECT_EQ(config.layer_norm_eps, expected.at("layer_norm_eps").number());
  EXPECT_EQ(config.qkv_bias, expected.at("qkv_bias").boolean());
}

void expect_qformer(const QFormerConfig& config, const Json& expected) {
  EXPECT_EQ(config.vocabulary, expected.at("vocab_size").integer());
  EXPECT_EQ(config.hidden, expected.at("hidden_size").integer());
  EXPECT_EQ(config.layers, expected.at("num_hidden_layers").integer());
  EXPECT_EQ(config.heads, expected.at("num_attention_heads").integer());
  EXPECT_EQ(config.feed_forward, expected.at("intermediate_size").integer());
  EXPECT_EQ(config.max_positions, expected.at("max_position_embeddings").integer());
  EXPECT_EQ(config.cross_attention_every, expected.at("cross_attention_frequency").integer());
  EXPECT_EQ(config.encoder_hidden, expected.at("encoder_hidden_size").integer());
  EXPECT_EQ(config.activation, activation_of(expected.at("hidden_act")));
  EXPECT_EQ(config.layer_norm_eps, expected.at("layer_norm_eps").number());
}

void expect_text(const T5Config& config, const Json& row) {
  const Json expected = row.at("text");
  EXPECT_EQ(config.vocabulary, expected.at("vocab_size").integer());
  EXPECT_EQ(config.hidden, expected.at("d_model").integer());
  EXPECT_EQ(config.key_value, expected.at("d_kv").integer());
  EXPECT_EQ(config.feed_forward, expected.at("d_ff").integer());
  EXPECT_EQ(config.encoder_layers, expected.at("num_layers").integer());
  EXPECT_EQ(config.decoder_layers, expected.at("num_decoder_layers").integer());
  EXPECT_EQ(config.heads, expected.at("num_heads").integer());
  EXPECT_EQ(config.relative_buckets, expected.at("relative_attention_num_buckets").integer());
  EXPECT_EQ(config.relative_max_distance, expected.at("relative_attention_max_distance").integer());
  EXPECT_EQ(config.layer_norm_eps, expected.at("layer_norm_epsilon").number());
  EXPECT_EQ(config.activation, activation_of(expected.at("dense_act_fn")));
  EXPECT_EQ(config.gated, expected.at("is_gated_act").boolean());
  EXPECT_EQ(config.scale_decoder_output, row.at("scaled").boolean());
  EXPECT_EQ(config.decoder_start, row.at("decoder_start").integer());
}

void expect_rope(const LlamaConfig& config, const Json& rope) {
  const RopeScaling& scaling = config.rope_scaling;
  using Type = RopeScaling::Type;
  const std::string type = rope.at("rope_type").string();
  EXPECT_EQ(scaling.type, type == "linear"    ? Type::linear
                          : type == "dynamic" ? Type::dynamic
                          : type == "llama3"  ? Type::llama3
                                              : Type::none);
  if (type == "default") return;
  EXPECT_EQ(scaling.factor, rope.at("factor").number());
  if (type == "dynamic") {
    EXPECT_EQ(scaling.original_positions, config.max_positions);
  }
  if (type != "llama3") return;
  EXPECT_EQ(scaling.low_factor, rope.at("low_freq_factor").number());
  EXPECT_EQ(scaling.high_factor, rope.at("high_freq_factor").number());
  EXPECT_EQ(scaling.original_positions, rope.at("original_max_position_embeddings").integer());
}

void expect_text(const LlamaConfig& config, const Json& row) {
  const Json expected = row.at("text");
  EXPECT_EQ(config.vocabulary, expected.at("vocab_size").integer());
  EXPECT_EQ(config.hidden, expected.at("hidden_size").integer());
  EXPECT_EQ(config.feed_forward, expected.at("intermediate_size").integer());
  EXPECT_EQ(config.layers, expected.at("num_hidden_layers").integer());
  EXPECT_EQ(config.heads, expected.at("num_attention_heads").integer());
  EXPECT_EQ(config.key_value_heads, expected.at("num_key_value_heads").integer());
  EXPECT_EQ(config.head_dim, expected.at("head_dim").integer());
  EXPECT_EQ(config.max_positions, expected.at("max_position_embeddings").integer());
  EXPECT_EQ(config.rms_norm_eps, expected.at("rms_norm_eps").number());
  EXPECT_EQ(config.activation, activation_of(expected.at("hidden_act")));
  EXPECT_EQ(config.attention_bias, expected.at("attention_bias").boolean());
  EXPECT_EQ(config.mlp_bias, expected.at("mlp_bias").boolean());
  EXPECT_EQ(config.tie_word_embeddings, expected.at("tie_word_embeddings").boolean());
  EXPECT_EQ(config.rope_theta, row.at("rope_theta").number());
  expect_rope(config, row.at("rope"));
}

void expect_text(const OptConfig& config, const Json& row) {
  const Json expected = row.at("text");
  EXPECT_EQ(config.vocabulary, expected.at("vocab_size").integer());
  EXPECT_EQ(config.hidden, expected.at("hidden_size").integer());
  EXPECT_EQ(config.feed_forward, expected.at("ffn_dim").integer());
  EXPECT_EQ(config.layers, expected.at("num_hidden_layers").integer());
  EXPECT_EQ(config.heads, expected.at("num_attention_heads").integer());
  EXPECT_EQ(config.max_positions, expected.at("max_position_embeddings").integer());
  EXPECT_EQ(config.embedding_width, expected.at("word_embed_proj_dim").integer());
  EXPECT_EQ(config.activation, activation_of(expected.at("activation_function")));
  EXPECT_EQ(config.norm_before, expected.at("do_layer_norm_before").boolean());
  EXPECT_EQ(config.final_norm,
            config.norm_before && !expected.at("_remove_final_layer_norm").boolean());
  EXPECT_EQ(config.norm_affine, expected.at("layer_norm_elementwise_affine").boolean());
  EXPECT_EQ(config.bias, expected.at("enable_bias").boolean());
  EXPECT_EQ(config.tie_word_embeddings, expected.at("tie_word_embeddings").boolean());
}

// `null_top_k`: what null means in the golden, 0 (no limit) for release 4, the default for
// release 5.
void expect_as_the_reference(const std::string& file, std::int64_t null_top_k) {
  const Json cases =
      Json::read(std::filesystem::path(INSTRUCTBLIP_SOURCE_DIR) / "tests/unit/config" / file)
          .at("cases");
  for (const Json& row : cases.elements()) {
    SCOPED_TRACE(row.at("name").string());
    const test::TempDirectory directory;
    directory.write("config.json", row.at("config").dump());
    const ModelConfig config = read_model_config(directory.path());
    const Json expected = row.at("expected");
    EXPECT_EQ(config.model_type, "instructblip");
    expect_vision(std::get<VitConfig>(config.vision), expected.at("vision"));
    expect_qformer(config.qformer.value(), expected.at("qformer"));
    std::visit([&](const auto& text) { expect_text(text, expected); }, config.text);
    expect_generation(config.generation, expected.at("generation"));
    EXPECT_EQ(config.generation.top_k.value_or(50),
              expected.at("generation").integer_or("top_k", null_top_k));
    EXPECT_EQ(config.qformer->queries, expected.at("num_query_tokens").integer());
    EXPECT_EQ(config.prompt.image_token.value_or(-1), expected.integer_or("image_token_index", -1));
  }
}

TEST(ModelConfig, ReadsDirectoriesOfRelease4AsItDoes) {
  expect_as_the_reference("config_goldens_4.json", 0);
}

TEST(ModelConfig, ReadsDirectoriesOfRelease5AsItDoes) {
  expect_as_the_reference("config_goldens_5.json", 50);
}

// Measured on the reference: release 4 overwrites a stored lm_head with the embedding where
// tie_word_embeddings is not false, release 5 keeps it.
TEST(ModelConfig, DecidesWhoseHeadWins) {
  const auto tied = [](const std::string& keys) {
    const test::TempDirectory directory;
    directory.write("config.json",
                    R"({"model_type": "instructblip", "text_config": {"model_type": "t5",
                        "decoder_start_token_id": 0)" +
                        keys + "}}");
    return std::get<T5Config>(read_model_config(directory.path()).text).tie_word_embeddings;
  };
  EXPECT_TRUE(tied(""));
  EXPECT_TRUE(tied(R"(, "tie_word_embeddings": true)"));
  EXPECT_FALSE(tied(R"(, "tie_word_embeddings": false)"));
  EXPECT_FALSE(tied(R"(, "tie_word_embeddings": true, "scale_decoder_outputs": true)"));
}

TEST(ModelConfig, CountsPositions) {
  VitConfig vision;
  EXPECT_EQ(vision.positions(), 257);
  vision.image_size = 30;
  EXPECT_EQ(vision.positions(), 5);  // 28 of 30 pixels are looked at
}

}  // namespace
}  // namespace instructblip
