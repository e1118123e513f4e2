// Rows of what is laid over a checkpoint: LoRA adapters, overlays, language models alone.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "adapters/weight_sources.h"
#include "instructblip/log.h"
#include "malformed/malformed.h"
#include "support/expect_error.h"
#include "support/safetensors_builder.h"
#include "support/torch_builder.h"

namespace instructblip {
namespace {

using namespace test;  // NOLINT: pieces of files on every line

using Make = std::function<void(const TempDirectory&)>;

constexpr ErrorCode kBad = ErrorCode::bad_model;
constexpr ErrorCode kUnsupported = ErrorCode::unsupported;

const std::filesystem::path kCheckpoint =
    std::filesystem::path(INSTRUCTBLIP_SOURCE_DIR) / "tests/golden/checkpoints/t5_2024";
const std::string kModule =
    "base_model.model.language_model.decoder.block.0.layer.0.SelfAttention.q.";
const std::string kConfig = R"({"peft_type": "LORA", "r": 4, "lora_alpha": 6})";

// The adapter's pair for a weight [30, 32].
const std::vector<TensorOf> kPair = {{kModule + "lora_A.weight", {4, 32}},
                                     {kModule + "lora_B.weight", {30, 4}}};

Make adapter(const std::string& config, const std::vector<TensorOf>& tensors = kPair) {
  return [=](const TempDirectory& d) {
    d.write("adapter_config.json", config);
    d.write("adapter_model.safetensors", safetensors_of(tensors));
  };
}
Make setting(const std::string& key, const std::string& value) {
  return adapter(R"({"peft_type": "LORA", "r": 4, ")" + key + "\": " + value + "}");
}
Make rank(const std::string& value) {
  return adapter(R"({"peft_type": "LORA", "r": )" + value + "}");
}
Make pair(const Shape& a, const Shape& b) {
  return adapter(kConfig, {{kModule + "lora_A.weight", a}, {kModule + "lora_B.weight", b}});
}
Make also(const std::string& name, const Shape& shape) {
  std::vector<TensorOf> tensors = kPair;
  tensors.push_back({name, shape});
  return adapter(kConfig, tensors);
}

const MalformedRow kAdapterRows[] = {
    {"NoWeights", ErrorCode::not_found, "expected one of adapter_model.safetensors",
     [](const TempDirectory& d) { d.write("adapter_config.json", kConfig); }},
    {"ConfigFifo", kBad, "got a special file",
     [](const TempDirectory& d) { d.make_fifo("adapter_config.json"); }},
    {"ConfigEmpty", kBad, "not valid JSON", adapter("")},
    {"ConfigList", kBad, "expected an object", adapter("[]")},
    {"ConfigOfNothing", kUnsupported, "an adapter of type ''", adapter("{}")},
    {"TypeNumber", kBad, "peft_type: expected", adapter(R"({"peft_type": 1})")},
    {"OtherType", kUnsupported, "an adapter of type 'LOHA'", adapter(R"({"peft_type": "LOHA"})")},
    {"RankZero", kBad, "r: expected an integer in [1,", rank("0")},
    {"RankNegative", kBad, "r: expected an integer in [1,", rank("-4")},
    {"RankHuge", kBad, "r: expected an integer in [1,", rank("99999999999999")},
    {"RankFraction", kBad, "r: expected an integer", rank("4.5")},
    {"RankText", kBad, "r: expected an integer", rank("\"4\"")},
    {"RankOfOtherFile", kBad, "expected the rank 5", rank("5")},
    {"AlphaNaN", kBad, "not valid JSON", setting("lora_alpha", "NaN")},
    {"AlphaInfinite", kBad, "number overflow", setting("lora_alpha", "1e999")},
    {"AlphaText", kBad, "lora_alpha: expected a number", setting("lora_alpha", "\"6\"")},
    {"SwitchNumber", kBad, "use_rslora: expected", setting("use_rslora", "1")},
    {"PatternList", kBad, "rank_pattern", setting("rank_pattern", "[1]")},
    {"PatternZero", kBad, "rank_pattern.q: expected an integer in [1,",
     setting("rank_pattern", R"({"q": 0})")},
    {"PatternExpression", kUnsupported, "alpha_pattern: the pattern '(?=b)(a+)+$'",
     setting("alpha_pattern", R"({"(?=b)(a+)+$": 1})")},
    {"PatternEmpty", kUnsupported, "alpha_pattern: the pattern ''",
     setting("alpha_pattern", R"({"": 1})")},
    {"PatternBackslash", kUnsupported, "alpha_pattern: the pattern 'a\\'",
     setting("alpha_pattern", R"({"a\\": 1})")},
    {"StartFromOtherWeights", kUnsupported, "init_lora_weights: 'pissa_niter_16'",
     setting("init_lora_weights", "\"pissa_niter_16\"")},
    {"Invocation", kUnsupported, "alora_invocation_tokens: a variant",
     setting("alora_invocation_tokens", "[1]")},
    {"Replication", kUnsupported, "layer_replication: a variant",
     setting("layer_replication", "[[0, 1]]")},
    {"TokenIndices", kUnsupported, "trainable_token_indices: a variant",
     setting("trainable_token_indices", "[3]")},
    {"MagnitudesMissing", kBad, "the magnitude that use_dora asks for",
     setting("use_dora", "true")},
    {"OtherColumns", kBad, "do not fit the weight [30, 32]", pair({4, 31}, {30, 4})},
    {"OtherRows", kBad, "do not fit the weight [30, 32]", pair({4, 32}, {31, 4})},
    {"RanksApart", kBad, "expected the rank 4", pair({4, 32}, {30, 3})},
    {"NoElements", kBad, "expected the rank 4", pair({0, 32}, {30, 0})},
    {"Scalars", kBad, "do not fit the weight [30, 32]", pair({}, {})},
    {"AWithoutB", kBad, "lora_B is missing", adapter(kConfig, {kPair[0]})},
    {"BWithoutA", kBad, "lora_A is missing", adapter(kConfig, {kPair[1]})},
    {"TwoOfA", kBad, "tensors that no LoRA adapter of such a model has",
     also(kModule + "lora_A.default.weight", {4, 32})},
    {"UnknownModule", kBad, "nothing: the model has no such weight",
     adapter(kConfig, {{"base_model.model.nothing.lora_A.weight", {4, 32}},
                       {"base_model.model.nothing.lora_B.weight", {30, 4}}})},
    {"ModuleWithoutName", kBad, "tensors that no LoRA adapter of such a model has",
     adapter(kConfig, {{"base_model.model.lora_A.weight", {4, 32}}})},
    {"OtherPrefix", kBad, "tensors that no LoRA adapter of such a model has", also("x", {1})},
    {"UnknownPart", kBad, "tensors that no LoRA adapter of such a model has",
     also(kModule + "lora_C.weight", {1})},
    {"BiasOfB", kBad, "tensors that no LoRA adapter of such a model has",
     also(kModule + "lora_B.bias", {30})},
    {"TokenDelta", kBad, "tensors that no LoRA adapter of such a model has",
     also("base_model.model.language_model.shared.token_adapter.trainable_tokens_delta", {1, 32})},
    {"NameThatDrivesATerminal", kBad, "\\x1b[31m", also("\x1b[31m", {1})},
    {"Bytes", kBad, "type U8, expected F32",
     adapter(kConfig, {{kModule + "lora_A.weight", {4, 32}, DType::u8},
                       {kModule + "lora_B.weight", {30, 4}, DType::u8}})},
    {"CutShort", kBad, "adapter_model.safetensors",
     [](const TempDirectory& d) {
       d.write("adapter_config.json", kConfig);
       const std::string whole = safetensors_of(kPair);
       d.write("adapter_model.safetensors", whole.substr(0, whole.size() - 1));
     }},
    {"PickleThatCalls", kUnsupported, "os.system",
     [](const TempDirectory& d) {
       d.write("adapter_config.json", kConfig);
       d.write("adapter_model.bin",
               torch_file_of(pickle_of("cos\nsystem\n" + pickled_text("id") + "\x85R")));
     }},
};

class MalformedAdapter : public testing::TestWithParam<MalformedRow> {};

TEST_P(MalformedAdapter, CostsOneError) {
  expect_malformed(GetParam(), [](const std::filesystem::path& directory) {
    ModelConfig config = read_model_config(kCheckpoint);
    gather_weights({.checkpoint = kCheckpoint, .adapters = {directory}}, config);
  });
}

INSTANTIATE_TEST_SUITE_P(Rows, MalformedAdapter, testing::ValuesIn(kAdapterRows), name_of_row);

Make overlay(const std::string& content) {
  return [=](const TempDirectory& d) { d.write("overlay.pth", content); };
}
std::vector<SavedTensor> saved_pair(const std::string& first, const std::string& second) {
  return {{first, DType::f32, {1}, std::string(4, '\0')},
          {second, DType::f32, {1}, std::string(4, '\0')}};
}

const MalformedRow kOverlayRows[] = {
    {"Missing", ErrorCode::not_found, "no such file or directory", [](const TempDirectory&) {}},
    {"Fifo", kBad, "got a special file",
     [](const TempDirectory& d) { d.make_fifo("overlay.pth"); }},
    {"Empty", kBad, "an empty file, expected weights", overlay("")},
    {"EmptyDirectory", ErrorCode::not_found, "no weights",
     [](const TempDirectory& d) { std::filesystem::create_directory(d / "overlay.pth"); }},
    {"CutShort", kBad, "overlay.pth",
     overlay(torch_file_of(saved_pair("t5_proj.weight", "t5_proj.bias")).substr(0, 400))},
    {"TwoNamesOfOneTensor", kBad, "two tensors are language_projection.weight",
     overlay(torch_file_of(saved_pair("t5_proj.weight", "language_projection.weight")))},
    {"TwoLayouts", kBad, "two tensors are language_model.lm_head.weight",
     overlay(torch_file_of(saved_pair("lm_head.weight", "t5_model.lm_head.weight")))},
    {"Flat", kUnsupported, "weights as FSDP keeps them while it trains",
     overlay(torch_file_of(saved_pair("_fsdp_wrapped_module._flat_param", "query_tokens")))},
    {"TwoModels", kBad, "two models, expected one: 'student.t5_proj.weight'",
     overlay(torch_file_of(saved_pair("student.t5_proj.weight", "teacher.t5_proj.weight")))},
    {"TwoWrappersOfOneTensor", kBad, "two tensors are language_projection.weight",
     overlay(torch_file_of(saved_pair("module.t5_proj.weight", "_orig_mod.t5_proj.weight")))},
    {"AdapterAlone", kBad, "a LoRA adapter ('base_model.model.x.lora_A.default.weight')",
     overlay(torch_file_of(saved_pair("base_model.model.x.lora_A.default.weight",
                                      "base_model.model.x.lora_B.default.weight")))},
    {"UnmergedWithoutScale", kBad, "lora_alpha and r are not in the weights",
     overlay(torch_file_of(saved_pair("base_model.model.t5_proj.base_layer.weight",
                                      "base_model.model.t5_proj.lora_A.default.weight")))},
    {"UnmergedWithoutB", kBad, "t5_proj: lora_B is missing",
     [](const TempDirectory& d) {
       d.write("adapter_config.json", kConfig);
       d.write("overlay.pth",
               torch_file_of(saved_pair("base_model.model.t5_proj.base_layer.weight",
                                        "base_model.model.t5_proj.lora_A.default.weight")));
     }},
    {"UnmergedOfTwoAdapters", kBad, "tensors that no LoRA adapter of such a model has",
     [](const TempDirectory& d) {
       d.write("adapter_config.json", kConfig);
       std::vector<SavedTensor> tensors =
           saved_pair("t5_proj.lora_A.default.weight", "t5_proj.lora_A.other.weight");
       tensors.push_back({"t5_proj.base_layer.weight", DType::f32, {1}, std::string(4, '\0')});
       d.write("overlay.pth", torch_file_of(tensors));
     }},
    {"FarMoreRowsOfWords", kBad, "rows for 5000 words",
     overlay(torch_file_of(std::vector<SavedTensor>{
         {"t5_model.shared.weight", DType::f32, {5000, 32}, std::string(5000 * 32 * 4, '\0')}}))},
};

class MalformedOverlay : public testing::TestWithParam<MalformedRow> {};

TEST_P(MalformedOverlay, CostsOneError) {
  expect_malformed(GetParam(), [](const std::filesystem::path& directory) {
    ModelConfig config = read_model_config(kCheckpoint);
    gather_weights({.checkpoint = kCheckpoint, .overlays = {directory / "overlay.pth"}}, config);
  });
}

INSTANTIATE_TEST_SUITE_P(Rows, MalformedOverlay, testing::ValuesIn(kOverlayRows), name_of_row);

// transformers looks for adapter_config.json, and so passes over what lies there without it.
TEST(AdapterWeightsWithoutConfig, AreLeftAsideWithAWarning) {
  const TempDirectory d;
  std::filesystem::create_directory(d / "over");
  d.write("over/model.safetensors", safetensors_of({{"t5_proj.weight", {1}}}));
  std::vector<std::string> warnings;
  set_log_sink([&](LogLevel level, std::string_view message) {
    if (level == LogLevel::warning) warnings.emplace_back(message);
  });
  const auto gather = [&] {
    ModelConfig config = read_model_config(kCheckpoint);
    gather_weights({.checkpoint = kCheckpoint, .overlays = {d / "over"}}, config);
  };
  gather();
  EXPECT_TRUE(warnings.empty());
  d.write("over/adapter_model.safetensors", safetensors_of(kPair));
  gather();
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_NE(warnings[0].find("beside the weights is left aside"), std::string::npos);
  d.write("over/adapter_config.json", kConfig);
  expect_error(kBad, "give this folder as one as well (--lora)", gather);
  std::filesystem::remove(d / "over/adapter_model.safetensors");
  expect_error(kBad, "its adapter_model.* is missing", gather);
  set_log_sink({});
}

// One shard of several is less than there should be.
TEST(OverlayOfShards, IsAllOfThem) {
  const TempDirectory d;
  const auto shard = [&](const char* name, const char* tensor) {
    d.write(name, safetensors_of({{tensor, {1}}}));
    return d / name;
  };
  const auto gather = [&](std::vector<std::filesystem::path> overlays) {
    ModelConfig config = read_model_config(kCheckpoint);
    gather_weights({.checkpoint = kCheckpoint, .overlays = std::move(overlays)}, config);
  };
  const auto first = shard("model-00001-of-00002.safetensors", "t5_proj.weight");
  expect_error(kBad, "model-00001-of-00002.safetensors: one of 2 shards", [&] { gather({first}); });
  const auto second = shard("model-00002-of-00002.safetensors", "t5_proj.bias");
  gather({first, second});
}

TEST(OverlayOfNoWeights, IsNamed) {
  const TempDirectory d;
  for (const char* name : {"optimizer.pt", "tf_model.h5", "overlay.pth.part"}) {
    d.write(name, "x");
    ModelConfig config = read_model_config(kCheckpoint);
    expect_error(kBad, std::string(name) + ": expected weights, got", [&] {
      gather_weights({.checkpoint = kCheckpoint, .overlays = {d / name}}, config);
    });
  }
}

Make language_model(const std::vector<TensorOf>& tensors) {
  return [=](const TempDirectory& d) { d.write("model.safetensors", safetensors_of(tensors)); };
}

const MalformedRow kLanguageRows[] = {
    {"Empty", ErrorCode::not_found, "no weights", [](const TempDirectory&) {}},
    {"WholeModel", kBad, "this is a whole model",
     language_model({{"shared.weight", {4, 4}}, {"qformer.layernorm.bias", {4}}})},
    {"WholeModelOfLavis", kBad, "this is a whole model",
     language_model({{"Qformer.bert.embeddings.LayerNorm.bias", {4}}})},
    {"WholeModelInAnotherModule", kBad, "this is a whole model",
     language_model({{"model.layers.0.a", {4}}, {"model.vision_model.b", {4}}})},
    {"AnAdapter", kBad, "a LoRA adapter, expected a language model", adapter(kConfig)},
    {"NamesOfMeta", kUnsupported, "as Meta or Mistral AI publish them, 'tok_embeddings.weight'",
     language_model({{"tok_embeddings.weight", {4, 4}}, {"layers.0.attention.wq.weight", {4, 4}}})},
    {"ShardsOfMeta", kUnsupported, "weights of a LLaMA as Meta publishes them",
     [](const TempDirectory& d) {
       d.write("consolidated.00.pth", "x");
       d.write("consolidated.01.pth", "x");
     }},
    {"ConfigOfWords", kBad, "layer_norm_epsilon: expected a number",
     [](const TempDirectory& d) {
       d.write("config.json", R"({"layer_norm_epsilon": "small"})");
       d.write("model.safetensors", safetensors_of({{"shared.weight", {324, 32}}}));
     }},
};

class MalformedLanguageModel : public testing::TestWithParam<MalformedRow> {};

TEST_P(MalformedLanguageModel, CostsOneError) {
  expect_malformed(GetParam(), [](const std::filesystem::path& directory) {
    ModelConfig config = read_model_config(kCheckpoint);
    gather_weights({.checkpoint = kCheckpoint, .language_model = directory}, config);
  });
}

INSTANTIATE_TEST_SUITE_P(Rows, MalformedLanguageModel, testing::ValuesIn(kLanguageRows),
                         name_of_row);

}  // namespace
}  // namespace instructblip
