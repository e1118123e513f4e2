#include "adapters/language_folder.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"
#include "support/expect_error.h"
#include "support/temp_directory.h"
#include "support/warnings.h"

namespace instructblip {
namespace {

using test::expect_error;
using test::TempDirectory;
using test::Warnings;

constexpr ErrorCode kBad = ErrorCode::bad_model;

// A checkpoint whose text_config is `described`, and the folder of a language model whose
// config.json is the same with `changes`.
struct Folders {
  TempDirectory checkpoint, language_model;

  Folders(const std::string& model_type, const std::string& described, const Json::Edits& changes) {
    checkpoint.write("config.json", R"({"model_type": ")" + model_type + R"(", "text_config": )" +
                                        described + "}");
    language_model.write("config.json", Json::parse(described, "described").with(changes));
  }
  void check() const { check_same_language_model(language_model.path(), checkpoint.path()); }
};

struct Row {
  std::string key, value;
  bool is_error;
  std::string message;  // a part of it
};

void expect_rows(const std::string& model_type, const std::string& described,
                 const std::vector<Row>& rows) {
  {
    const Warnings warnings;
    EXPECT_NO_THROW(Folders(model_type, described, {}).check());
    EXPECT_EQ(warnings.all(), "");
  }
  for (const Row& row : rows) {
    const Folders folders(model_type, described, {{{row.key}, row.value}});
    const Warnings warnings;
    if (row.is_error) {
      expect_error(kBad, row.message, [&] { folders.check(); });
    } else {
      EXPECT_NO_THROW(folders.check()) << row.key;
      EXPECT_NE(warnings.all().find(row.message), std::string::npos)
          << row.key << ": " << warnings.all();
    }
  }
}

TEST(LanguageFolder, IsComparedInWhatNoShapeTellsOfLlama) {
  expect_rows(
      "instructblip",
      R"({"model_type": "llama", "hidden_size": 64, "num_attention_heads": 4,
                  "num_key_value_heads": 2, "head_dim": 16, "hidden_act": "silu",
                  "pad_token_id": 3})",
      {{"num_hidden_layers", "31", true, "num_hidden_layers is 31, but text_config says 32"},
       {"hidden_size", "128", true, "hidden_size is 128, but text_config says 64"},
       {"intermediate_size", "96", true, "intermediate_size is 96, but text_config says 11008"},
       {"num_attention_heads", "8", true, "num_attention_heads is 8, but text_config says 4"},
       {"num_key_value_heads", "4", true, "num_key_value_heads is 4"},
       {"head_dim", "8", true, "head_dim is 8, but text_config says 16"},
       {"hidden_act", "\"gelu\"", true, "hidden_act is gelu, but text_config says silu"},
       {"tie_word_embeddings", "true", true, "tie_word_embeddings is true"},
       // A missing key is the reference's default.
       {"num_attention_heads", "", true, "num_attention_heads is 32"},
       {"rope_theta", "20000.0", false, "rope_theta is 20000, but text_config says 10000"},
       {"rms_norm_eps", "1e-05", false, "rms_norm_eps is 1e-05, but text_config says 1e-06"},
       {"max_position_embeddings", "16384", false, "max_position_embeddings is 16384"},
       {"eos_token_id", "[2, 7]", false, "eos_token_id is [2, 7], but text_config says 2"},
       {"bos_token_id", "0", false, "bos_token_id is 0, but text_config says 1"},
       {"pad_token_id", "0", false, "pad_token_id is 0, but text_config says 3"}});
  const Folders folders("llava", R"({"model_type": "llama"})", {{{"pad_token_id"}, "0"}});
  const Warnings warnings;
  EXPECT_NO_THROW(folders.check());
  EXPECT_EQ(warnings.all(), "");
}

TEST(LanguageFolder, IsComparedInWhatNoShapeTellsOfT5) {
  expect_rows(
      "instructblip",
      R"({"model_type": "t5", "num_heads": 8, "d_kv": 16, "tie_word_embeddings": false,
                  "feed_forward_proj": "gated-gelu", "decoder_start_token_id": 0})",
      {{"num_layers", "3", true, "num_layers is 3, but text_config says 6"},
       {"num_decoder_layers", "3", true, "num_decoder_layers is 3, but text_config says 6"},
       {"d_model", "64", true, "d_model is 64"},
       {"d_ff", "64", true, "d_ff is 64"},
       {"num_heads", "4", true, "num_heads is 4, but text_config says 8"},
       {"d_kv", "32", true, "d_kv is 32"},
       {"feed_forward_proj", "\"gated-silu\"", true,
        "feed_forward_proj is gated-silu, but text_config says gated-gelu_new"},
       {"feed_forward_proj", "\"gelu_new\"", true, "feed_forward_proj is gelu_new"},
       {"relative_attention_num_buckets", "16", true, "relative_attention_num_buckets is 16"},
       {"tie_word_embeddings", "true", true, "tie_word_embeddings is true"},
       {"relative_attention_max_distance", "64", false,
        "relative_attention_max_distance is 64, but text_config says 128"},
       {"layer_norm_epsilon", "1e-05", false, "layer_norm_epsilon is 1e-05"},
       {"decoder_start_token_id", "2", false, "decoder_start_token_id is 2"}});
  // The checkpoint says from which token to decode.
  const Folders folders("instructblip", R"({"model_type": "t5", "decoder_start_token_id": 3})",
                        {{{"decoder_start_token_id"}, ""}});
  const Warnings warnings;
  EXPECT_NO_THROW(folders.check());
  EXPECT_EQ(warnings.all(), "");
}

TEST(LanguageFolder, IsComparedInWhatNoShapeTellsOfOpt) {
  expect_rows("blip-2", R"({"model_type": "opt", "num_attention_heads": 12})",
              {{"num_hidden_layers", "6", true, "num_hidden_layers is 6, but text_config says 12"},
               {"hidden_size", "96", true, "hidden_size is 96"},
               {"ffn_dim", "96", true, "ffn_dim is 96"},
               {"num_attention_heads", "8", true, "num_attention_heads is 8"},
               {"activation_function", "\"gelu\"", true, "activation_function is gelu"},
               {"do_layer_norm_before", "false", true, "do_layer_norm_before is false"},
               {"_remove_final_layer_norm", "true", true, "_remove_final_layer_norm is true"},
               {"layer_norm_elementwise_affine", "false", true, "layer_norm_elementwise_affine"},
               {"enable_bias", "false", true, "enable_bias is false"},
               {"tie_word_embeddings", "false", true, "tie_word_embeddings is false"},
               {"eos_token_id", "7", false, "eos_token_id is 7, but text_config says 2"}});
}

TEST(LanguageFolder, OfAnotherKindIsAnError) {
  const Folders folders("instructblip", R"({"model_type": "t5", "decoder_start_token_id": 0})",
                        {{{"model_type"}, "\"llama\""}});
  expect_error(kBad, "of kind 'llama', but text_config describes one of kind 't5'",
               [&] { folders.check(); });
  const Folders unknown("instructblip", R"({"model_type": "llama"})",
                        {{{"model_type"}, "\"gemma\""}});
  expect_error(kBad, "of kind 'gemma', but text_config describes one of kind 'llama'",
               [&] { unknown.check(); });
  // The same structure, but trained by others.
  const Folders mistral("llava_next", R"({"model_type": "llama", "num_key_value_heads": 8})",
                        {{{"model_type"}, "\"mistral\""}, {{"sliding_window"}, "null"}});
  expect_error(kBad, "of kind 'mistral', but text_config describes one of kind 'llama'",
               [&] { mistral.check(); });
}

// LLaVA's own code has LLaMA's keys at the top, transformers in text_config.
TEST(LanguageFolder, MayBeThatOfAWholeModel) {
  const std::string llama = R"({"model_type": "llama", "num_attention_heads": 32})";
  const Folders own("llava", llama,
                    {{{"model_type"}, "\"llava_llama\""}, {{"num_attention_heads"}, "16"}});
  EXPECT_TRUE(describes_language_model(own.language_model.path()));
  expect_error(kBad, "num_attention_heads is 16", [&] { own.check(); });
  const Folders whole("llava", llama, {});
  whole.language_model.write("config.json",
                             R"({"model_type": "llava", "text_config": {"hidden_act": "gelu"}})");
  expect_error(kBad, "hidden_act is gelu", [&] { whole.check(); });
  for (const char* type : {"llava_qwen", "llava_mpt", "llava_mistral"}) {
    const Folders other(
        "llava", llama,
        {{{"model_type"}, "\"" + std::string(type) + "\""}, {{"mm_hidden_size"}, "8"}});
    expect_error(kBad, "of kind '" + std::string(type).substr(6) + "'", [&] { other.check(); });
  }
}

TEST(LanguageFolder, WithoutAConfigIsSaidToBeUncompared) {
  const TempDirectory folder, checkpoint;
  const Warnings warnings;
  EXPECT_FALSE(describes_language_model(folder.path()));
  check_same_language_model(folder.path(), checkpoint.path());
  EXPECT_NE(warnings.all().find("no config.json"), std::string::npos);
  // One that says nothing of a model; any other is compared.
  folder.write("config.json", R"({"learning_rate": 1e-05})");
  EXPECT_FALSE(describes_language_model(folder.path()));
  folder.write("config.json", R"({"model_type": "qwen2"})");
  EXPECT_TRUE(describes_language_model(folder.path()));
}

}  // namespace
}  // namespace instructblip
