// What transformers 4.57.3 does with these settings was seen by running them: below the window
// every answer is the one without, beyond it another or a failure.
#include "config/window_config.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "config/model_config.h"
#include "core/json.h"
#include "support/expect_error.h"
#include "support/temp_directory.h"

namespace instructblip {
namespace {

using Window = std::optional<std::int64_t>;

ModelConfig read(const std::string& kind, const std::string& settings) {
  const test::TempDirectory directory;
  const std::string family = kind == "mistral" ? "llava_next" : "instructblip";
  directory.write("config.json", R"({"model_type":")" + family +
                                     R"(","text_config":{"model_type":")" + kind +
                                     R"(","num_hidden_layers":2,"decoder_start_token_id":0)" +
                                     (settings.empty() ? "" : "," + settings) + "}}");
  return read_model_config(directory.path());
}

Window window_of(const std::string& kind, const std::string& settings) {
  return std::get<LlamaConfig>(read(kind, settings).text).window;
}

TEST(WindowConfig, OfALlamaIsThatOfTheCache) {
  const std::string slides = R"("layer_types":["full_attention","sliding_attention"])";
  const std::string full = R"("layer_types":["full_attention","full_attention"])";
  const std::string eight = R"("sliding_window":8)";
  EXPECT_EQ(window_of("llama", ""), std::nullopt);
  EXPECT_EQ(window_of("llama", eight), 8);
  EXPECT_EQ(window_of("llama", eight + R"(,"use_sliding_window":false)"), 8);
  EXPECT_EQ(window_of("llama", R"("sliding_window":0)"), std::nullopt);
  EXPECT_EQ(window_of("llama", R"("attention_chunk_size":8)"), 8);
  EXPECT_EQ(window_of("llama", eight + "," + slides), 8);
  EXPECT_EQ(window_of("llama", eight + "," + full), std::nullopt);
  EXPECT_EQ(window_of("llama", full), std::nullopt);
  EXPECT_EQ(window_of("llama", eight + R"(,"layer_types":[])"), std::nullopt);
  EXPECT_EQ(window_of("llama", eight + R"(,"layer_types":null)"), 8);
  // A layer too many is that of no layer.
  EXPECT_EQ(window_of("llama", R"("layer_types":["x","y","sliding_attention"])"), std::nullopt);
}

TEST(WindowConfig, OfAMistralIsThatOfItsMaskToo) {
  EXPECT_EQ(window_of("mistral", ""), 4096);
  EXPECT_EQ(window_of("mistral", R"("sliding_window":null)"), std::nullopt);
  EXPECT_EQ(window_of("mistral", R"("sliding_window":null,"attention_chunk_size":8)"), 8);
  EXPECT_EQ(window_of("mistral",
                      R"("sliding_window":8,"layer_types":["full_attention","full_attention"])"),
            8);
}

TEST(WindowConfig, ThatTheReferenceFailsWithIsRefused) {
  const auto refused = [](const std::string& settings, ErrorCode code, const std::string& part) {
    test::expect_error(code, part, [&] { read("llama", settings); });
  };
  refused(R"("layer_types":["sliding_attention","full_attention"])", ErrorCode::bad_model,
          "text_config.sliding_window: expected the window of the layers that layer_types");
  refused(R"("layer_types":["full_attention"])", ErrorCode::bad_model,
          "text_config.layer_types: expected one for each of 2 layers, got 1");
  refused(R"("num_kv_shared_layers":1)", ErrorCode::unsupported, "num_kv_shared_layers: layers");
  refused(R"("num_kv_shared_layers":null)", ErrorCode::unsupported, "num_kv_shared_layers: layers");
  refused(R"("attention_chunk_size":0)", ErrorCode::bad_model, "attention_chunk_size: expected");
}

TEST(WindowConfig, OfOtherKindsIsRefusedWhereTextsReachIt) {
  for (const char* kind : {"opt", "t5", "mt5"}) {
    EXPECT_NO_THROW(read(kind, R"("sliding_window":null,"layer_types":null)")) << kind;
    EXPECT_NO_THROW(read(kind, R"("sliding_window":100000)")) << kind;
    for (const char* settings : {R"("sliding_window":8)", R"("attention_chunk_size":8)"}) {
      test::expect_error(ErrorCode::unsupported, "a window of 8 positions",
                         [&] { read(kind, settings); });
    }
  }
}

}  // namespace
}  // namespace instructblip
