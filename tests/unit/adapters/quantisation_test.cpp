#include "adapters/quantisation.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "support/expect_error.h"
#include "support/safetensors_builder.h"
#include "support/temp_directory.h"

namespace instructblip {
namespace {

using test::expect_error;
using test::TempDirectory;
using test::TensorOf;

constexpr ErrorCode kUnsupported = ErrorCode::unsupported;
const std::string kLayer = "language_model.model.layers.0.mlp.up_proj";

std::string config_of(const std::string& quantisation) {
  return R"({"model_type": "instructblip", "quantization_config": )" + quantisation + "}";
}

// "METHOD (VARIANT)"
std::string shown(const Quantisation& found) { return found.method + " (" + found.variant + ")"; }

TEST(Quantisation, IsReadFromConfig) {
  struct Row {
    std::string section, expected;
  };
  const std::vector<Row> rows = {
      {R"({"quant_method": "bitsandbytes", "load_in_8bit": true})", "bitsandbytes (8 bit)"},
      {R"({"quant_method": "bitsandbytes", "load_in_4bit": true, "bnb_4bit_quant_type": "nf4"})",
       "bitsandbytes (nf4)"},
      {R"({"load_in_4bit": true})", "bitsandbytes (fp4)"},
      {R"({"quant_method": "awq", "bits": 4, "version": "gemm"})", "AWQ (4 bit, gemm)"},
      {R"({"quant_method": "gptq", "bits": 3})", "GPTQ (3 bit)"},
      {R"({"quant_method": "compressed-tensors", "format": "float-quantized"})",
       "compressed-tensors (float-quantized)"},
      {R"({"quant_method": "fp8"})", "fine-grained FP8 ()"},
      {R"({"quant_method": "torchao", "quant_type": "int8_weight_only"})",
       "torchao (int8_weight_only)"},
      {R"({"quant_method": "torchao",
           "quant_type": {"default": {"_type": "Int4WeightOnlyConfig", "_data": {}}}})",
       "torchao (Int4WeightOnlyConfig)"},
      {R"({"quant_method": "hqq", "quant_config": {"weight_quant_params": {"nbits": 4}}})",
       "HQQ (4 bit)"},
      {R"({"quant_method": "quanto", "weights": "int4"})", "quanto (int4)"},
      {R"({"quant_method": "eetq", "weights": "int8"})", "EETQ (int8)"},
      {R"({"quant_method": "aqlm", "in_group_size": 8})", "AQLM ()"},
      {R"({"quant_method": "new-method", "bits": 2})", "new-method (2 bit)"},
  };
  for (const Row& row : rows) {
    const TempDirectory directory;
    directory.write("config.json", config_of(row.section));
    const auto found = described_quantisation(directory.path());
    ASSERT_TRUE(found) << row.section;
    EXPECT_EQ(shown(*found), row.expected);
    EXPECT_NE(found->source.find("config.json: quantization_config"), std::string::npos);
  }
}

TEST(Quantisation, IsReadFromFilesBeside) {
  const TempDirectory directory;
  EXPECT_FALSE(described_quantisation(directory.path()));
  directory.write("config.json", R"({"quantization_config": null})");
  EXPECT_FALSE(described_quantisation(directory.path()));
  directory.write("hf_quant_config.json", R"({"quantization": {"quant_algo": "FP8"}})");
  EXPECT_EQ(shown(described_quantisation(directory.path()).value()), "modelopt (FP8)");
  directory.write("quant_config.json", R"({"w_bit": 4, "version": "GEMM"})");
  EXPECT_EQ(shown(described_quantisation(directory.path()).value()), "AWQ (4 bit, GEMM)");
  directory.write("quantize_config.json", R"({"bits": 4})");
  EXPECT_EQ(shown(described_quantisation(directory.path()).value()), "GPTQ (4 bit)");
  directory.write("config.json",
                  R"({"text_config": {"quantization_config": {"quant_method": "awq"}}})");
  EXPECT_EQ(shown(described_quantisation(directory.path()).value()), "AWQ ()");
  for (const char* config : {R"({"quantization": {"group_size": 64, "bits": 4}})",
                             R"({"quantization": {"group_size": 64, "bits": 4},
                                 "quantization_config": {"group_size": 64, "bits": 4}})"}) {
    directory.write("config.json", config);
    EXPECT_EQ(shown(described_quantisation(directory.path()).value()), "MLX (4 bit)");
  }
}

std::vector<TensorOf> plain() { return {{kLayer + ".weight", {8, 8}}}; }

TEST(Quantisation, IsSeenInTensors) {
  struct Row {
    std::vector<TensorOf> tensors;
    std::string expected;
  };
  const std::string weight = kLayer + ".weight";
  const std::vector<Row> rows = {
      {{{weight, {8, 8}, DType::i8}, {kLayer + ".SCB", {8}}}, "bitsandbytes (8 bit)"},
      {{{weight, {32, 1}, DType::u8},
        {weight + ".absmax", {1}},
        {weight + ".quant_map", {16}},
        {weight + ".quant_state.bitsandbytes__nf4", {9}, DType::u8}},
       "bitsandbytes (nf4)"},
      {{{kLayer + ".qweight", {8, 1}, DType::i32},
        {kLayer + ".qzeros", {1, 1}, DType::i32},
        {kLayer + ".scales", {1, 8}, DType::f16}},
       "AWQ ()"},
      {{{kLayer + ".qweight", {1, 8}, DType::i32},
        {kLayer + ".qzeros", {1, 1}, DType::i32},
        {kLayer + ".scales", {1, 8}, DType::f16}},
       "GPTQ ()"},
      {{{kLayer + ".qweight", {8, 8}, DType::i32}, {kLayer + ".g_idx", {8}, DType::i32}},
       "GPTQ ()"},
      {{{weight, {8, 8}, DType::f8_e4m3}, {kLayer + ".weight_scale_inv", {1, 1}}},
       "fine-grained FP8 ()"},
      {{{weight, {8, 8}, DType::f8_e4m3}, {kLayer + ".weight_scale", {1}}}, " (F8_E4M3)"},
      {{{kLayer + ".weight_packed", {8, 1}, DType::i32}, {kLayer + ".weight_scale", {8, 1}}},
       "compressed-tensors ()"},
      {{{kLayer + ".W_q", {8, 8}, DType::u8}, {kLayer + ".scale", {8}}}, "HQQ ()"},
      {{{weight + "._data", {8, 8}, DType::i8}, {weight + "._scale", {8, 1}}}, "quanto ()"},
      {{{weight, {8, 8}, DType::i8}, {kLayer + ".weight_scales", {8}}}, "EETQ (int8)"},
      {{{kLayer + ".codes", {8, 1, 1}, DType::i16}, {kLayer + ".codebooks", {1, 4, 1, 8}}},
       "AQLM ()"},
      {{{weight, {8, 1}, DType::u32}, {kLayer + ".scales", {8, 1}}, {kLayer + ".biases", {8, 1}}},
       "MLX ()"},
      {{{kLayer + ".q_weight", {8, 1}, DType::i32}, {kLayer + ".q_scale", {1, 1}, DType::i32}},
       "ExLlamaV2 ()"},
      {{{weight, {8, 8}, DType::u8}}, " (U8)"},
      {{{weight, {8, 8}, DType::i64}}, " (I64)"},
      {{{weight, {8, 8}, DType::i32}}, " (I32)"},
      {{{weight, {8, 8}, DType::boolean}}, " (BOOL)"},
  };
  for (const Row& row : rows) {
    const TempDirectory directory;
    directory.write("model.safetensors", test::safetensors_of(row.tensors));
    const TensorStore store = TensorStore::open(directory.path());
    const auto found = found_quantisation(store, directory.path());
    ASSERT_TRUE(found) << row.expected;
    EXPECT_EQ(shown(*found), row.expected);
    EXPECT_TRUE(found->source.starts_with((directory / "model.safetensors").string()));
  }
  const TempDirectory directory;
  auto tensors = plain();
  tensors.push_back({"qformer.embeddings.position_ids", {1, 8}, DType::i64});
  tensors.push_back({"norm.scales", {8}});
  directory.write("model.safetensors", test::safetensors_of(tensors));
  EXPECT_FALSE(found_quantisation(TensorStore::open(directory.path()), directory.path()));
}

void open(const TempDirectory& directory) {
  open_unquantised(directory.path(), [&] { return TensorStore::open(directory.path()); });
}

TEST(Quantisation, IsRefusedWithARemedy) {
  const TempDirectory directory;
  const std::vector<TensorOf> quantised = {{kLayer + ".weight", {8, 8}, DType::i8},
                                           {kLayer + ".SCB", {8}}};
  directory.write("model.safetensors", test::safetensors_of(quantised));
  expect_error(kUnsupported, "quantised by bitsandbytes (8 bit): not supported",
               [&] { open(directory); });
  directory.write("config.json", config_of(R"({"quant_method": "bitsandbytes",
                                                "bnb_4bit_quant_type": "nf4"})"));
  const std::string message = expect_error(
      kUnsupported, "quantised by bitsandbytes (nf4): not supported", [&] { open(directory); });
  EXPECT_TRUE(message.starts_with((directory / "config.json").string())) << message;
  EXPECT_NE(message.find("model.dequantize()"), std::string::npos) << message;
  // The file cannot be read at all, which has the same reason.
  directory.write("config.json", config_of(R"({"quant_method": "torchao"})"));
  directory.write(
      "model.safetensors",
      test::safetensors_file(R"({"x":{"dtype":"F4","shape":[2],"data_offsets":[0,1]}})", "0"));
  expect_error(kUnsupported, "quantised by torchao: not supported", [&] { open(directory); });
}

// The reference quantises such weights when it reads them, unless it does not know the method.
TEST(Quantisation, ThatIsOnlySaidIsRefusedWhereTheReferenceWouldApplyIt) {
  const TempDirectory directory;
  directory.write("model.safetensors", test::safetensors_of(plain()));
  directory.write("config.json",
                  config_of(R"({"quant_method": "bitsandbytes", "load_in_8bit": true})"));
  expect_error(kUnsupported, "by bitsandbytes, but none of them is", [&] { open(directory); });
  for (const char* idle : {"of another program", "bitsandbytes", "mxfp4", "exl2", "mlx"}) {
    directory.write(
        "config.json",
        config_of(R"({"load_in_4bit": false, "load_in_8bit": false, "quant_method": ")" +
                  std::string(idle) + "\"}"));
    EXPECT_NO_THROW(open(directory)) << idle;
  }
  directory.write("config.json",
                  R"({"text_config": {"quantization_config": {"quant_method": "awq"}}})");
  EXPECT_NO_THROW(open(directory));
  directory.write("config.json", "{}");
  directory.write("quantize_config.json", R"({"bits": 4})");
  EXPECT_NO_THROW(open(directory));
}

}  // namespace
}  // namespace instructblip
