#include "adapters/blank_weights.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <vector>

#include "adapters/weight_sources.h"
#include "checkpoint/safetensors_writer.h"
#include "config/model_config.h"
#include "support/expect_error.h"
#include "support/temp_directory.h"
#include "support/warnings.h"

namespace instructblip {
namespace {

namespace fs = std::filesystem;
using test::Warnings;

const fs::path kGolden = fs::path(INSTRUCTBLIP_SOURCE_DIR) / "tests/golden";

// A tensor of ones, but for the last `zeros` of all its values.
struct Tensor {
  std::string name;
  Shape shape;
  std::int64_t zeros = 0;
};

TensorStore store_of(const std::vector<Tensor>& tensors, const fs::path& directory) {
  std::vector<std::vector<float>> values;
  for (const Tensor& tensor : tensors) {
    const std::int64_t count = checked_elements(tensor.shape).value();
    auto& row = values.emplace_back(count, 1.0F);
    std::fill(row.end() - tensor.zeros, row.end(), 0.0F);
  }
  std::vector<TensorToWrite> out;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    out.push_back(
        {tensors[i].name, DType::f32, tensors[i].shape, std::as_bytes(std::span(values[i]))});
  }
  write_safetensors(directory / "model.safetensors", out);
  return TensorStore::open(directory);
}

std::string warnings_for(const std::vector<Tensor>& tensors) {
  const test::TempDirectory directory;
  const Warnings warnings;
  check_not_blank(store_of(tensors, directory.path()));
  return warnings.all();
}

TEST(BlankWeights, AreNoneOfAModelThatMayBe) {
  EXPECT_EQ(warnings_for({{"a.weight", {32, 32}},
                          {"a.bias", {32}, 32},                    // zero-initialised
                          {"query_tokens", {1, 8, 32}, 256},       // the same
                          {"embed_tokens.weight", {32, 32}, 192},  // six rows of no word
                          {"norm.weight", {32}, 31}}),
            "");
  for (const char* name : {"t5_2024", "vicuna_2023", "blip2_opt", "llava_hub", "llava_next_hub"}) {
    const fs::path path = kGolden / "checkpoints" / name;
    ModelConfig config = read_model_config(path);
    const Warnings warnings;
    check_not_blank(gather_weights({.checkpoint = path}, config));
    EXPECT_EQ(warnings.all(), "") << name;
  }
}

TEST(BlankWeights, AreSpokenOfWhereAModelMayHaveThem) {
  const std::string warned = warnings_for(
      {{"a.weight", {32, 32}}, {"b.weight", {32, 32}, 1024}, {"c.weight", {32, 32}, 300}});
  EXPECT_NE(
      warned.find("model.safetensors: matrices of zeros alone: 1 (b.weight); matrices that end "
                  "in zeros: 1 (c.weight)"),
      std::string::npos)
      << warned;
  EXPECT_NE(warnings_for({{"a.weight", {32, 32}}, {"norm.weight", {32}, 32}})
                .find("norms of zeros alone: 1 (norm.weight)"),
            std::string::npos);
}

TEST(BlankWeights, AreRefusedWhereNoTrainingHasWrittenThem) {
  const auto refused = [](const std::vector<Tensor>& tensors) {
    const test::TempDirectory directory;
    const TensorStore store = store_of(tensors, directory.path());
    test::expect_error(ErrorCode::bad_model, "Its download has not ended",
                       [&] { check_not_blank(store); });
  };
  refused({{"a.weight", {32, 32}, 1024}, {"b.weight", {32, 32}, 1024}});
  refused({{"a.weight", {32, 32}}, {"b.weight", {32, 32}, 300}, {"norm.weight", {32}, 32}});
  refused({{"a.weight", {32, 32}},
           {"layers.0.layer_norm1.weight", {32}, 32},
           {"layers.0.layer_norm2.weight", {32}, 32}});
}

// A copy of `file` whose last part is zeros.
void cut(const fs::path& file, double kept) {
  std::string content = test::content_of(file);
  std::fill(
      content.begin() + static_cast<std::ptrdiff_t>(kept * static_cast<double>(content.size())),
      content.end(), '\0');
  std::ofstream(file, std::ios::binary) << content;
}

TEST(BlankWeights, OfADownloadThatEndedEarlyAreFound) {
  const fs::path from = kGolden / "checkpoints/blip2_opt";
  for (const double kept : {0.3, 0.6, 0.95}) {
    const test::TempDirectory directory;
    fs::copy(from, directory.path(), fs::copy_options::recursive);
    cut(directory / "model.safetensors", kept);
    ModelConfig config = read_model_config(directory.path());
    const TensorStore store = gather_weights({.checkpoint = directory.path()}, config);
    test::expect_error(ErrorCode::bad_model,
                       "model.safetensors: ", [&] { check_not_blank(store); });
  }
}

TEST(BlankWeights, OfAnAdapterAreSpokenOf) {
  const test::TempDirectory directory;
  fs::copy(kGolden / "adapters/vicuna_language", directory.path());
  cut(directory / "adapter_model.safetensors", 0.5);
  const fs::path path = kGolden / "checkpoints/vicuna_2024";
  ModelConfig config = read_model_config(path);
  const Warnings warnings;
  const TensorStore store =
      gather_weights({.checkpoint = path, .adapters = {directory.path()}}, config);
  check_not_blank(store);
  EXPECT_TRUE(warnings.have("changes are zero")) << warnings.all();
}

}  // namespace
}  // namespace instructblip
