#include "adapters/plausibility.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "support/expect_error.h"
#include "support/safetensors_builder.h"
#include "support/temp_directory.h"

namespace instructblip {
namespace {

using test::expect_error;
using test::TensorOf;

ModelConfig small_config() {
  ModelConfig config;
  config.model_type = "instructblip";
  VitConfig vision;
  vision.hidden = 8;
  vision.feed_forward = 16;
  vision.layers = 1;
  vision.heads = 2;
  vision.image_size = 28;
  config.vision = vision;
  QFormerConfig qformer;
  qformer.vocabulary = 20;
  qformer.hidden = 6;
  qformer.layers = 1;
  qformer.heads = 2;
  qformer.feed_forward = 12;
  qformer.max_positions = 10;
  qformer.encoder_hidden = 8;
  qformer.queries = 4;
  config.qformer = qformer;
  LlamaConfig llama;
  llama.vocabulary = 30;
  llama.hidden = 10;
  llama.feed_forward = 20;
  llama.layers = 1;
  llama.heads = llama.key_value_heads = 5;
  llama.head_dim = 2;
  config.text = llama;
  return config;
}

// Some of every stage, and weight enough for the estimate.
std::vector<TensorOf> small_tensors() {
  return {{"language_model.model.embed_tokens.weight", {30, 10}},
          {"language_model.model.layers.0.mlp.up_proj.weight", {20, 10}},
          {"language_projection.weight", {10, 6}},
          {"qformer.embeddings.word_embeddings.weight", {20, 6}},
          {"qformer.encoder.layer.0.attention.attention.query.weight", {6, 6}},
          {"qformer.encoder.layer.0.crossattention.attention.key.weight", {6, 8}},
          {"query_tokens", {1, 4, 6}},
          {"vision_model.embeddings.class_embedding", {1, 1, 8}},
          {"vision_model.embeddings.patch_embedding.weight", {8, 3, 14, 14}},
          {"vision_model.embeddings.position_embedding", {1, 5, 8}},
          {"vision_model.encoder.layers.0.self_attn.q_bias", {8}},
          {"vision_model.encoder.layers.0.self_attn.v_bias", {8}}};
}

void check(const ModelConfig& config, const std::vector<TensorOf>& tensors) {
  const test::TempDirectory directory;
  directory.write("model.safetensors", test::safetensors_of(tensors));
  check_plausible(config, TensorStore::open(directory.path()));
}

std::vector<TensorOf> without(const std::vector<TensorOf>& tensors, const std::string& prefix) {
  std::vector<TensorOf> kept;
  for (const TensorOf& tensor : tensors) {
    if (!tensor.name.starts_with(prefix)) kept.push_back(tensor);
  }
  return kept;
}

TEST(Plausibility, AcceptsWhatBelongsTogether) {
  EXPECT_NO_THROW(check(small_config(), small_tensors()));
}

TEST(Plausibility, AcceptsTheGoldenCheckpoints) {
  const auto root = std::filesystem::path(INSTRUCTBLIP_SOURCE_DIR) / "tests/golden/checkpoints";
  int checked = 0;
  for (const auto& directory : std::filesystem::directory_iterator(root)) {
    if (!std::filesystem::exists(directory.path() / "config.json")) continue;
    SCOPED_TRACE(directory.path().filename().string());
    if (is_retrieval_config(directory.path())) continue;
    const ModelConfig config = read_model_config(directory.path());
    const TensorStore store =
        TensorStore::open(directory.path(), MappedFile::Access::map, config.renames);
    EXPECT_NO_THROW(check_plausible(config, store));
    ++checked;
  }
  EXPECT_GE(checked, 2);
}

TEST(Plausibility, RecognisesOtherCheckpoints) {
  const struct {
    const char* tensor;
    const char* message;
  } rows[] = {
      {"model.layers.0.mlp.up_proj.weight", "this is a language model alone"},
      {"encoder.block.0.layer.0.SelfAttention.q.weight", "this is a language model alone"},
      {"vision_tower.embeddings.class_embedding", "this is a LLaVA checkpoint"},
      {"anything",
       "no tensors named [vision_model.encoder.*, qformer.*, query_tokens*, language_model.*]"},
  };
  for (const auto& row : rows) {
    expect_error(ErrorCode::bad_model, row.message, [&] {
      check(small_config(), {{row.tensor, {2, 2}}});
    });
  }
}

TEST(Plausibility, NamesThePartThatIsMissing) {
  expect_error(ErrorCode::bad_model, "no tensors named [vision_model.encoder.*]",
               [] { check(small_config(), without(small_tensors(), "vision_model.")); });
}

TEST(Plausibility, RecognisesBlip2) {
  auto tensors = without(small_tensors(), "qformer.embeddings.");
  tensors.push_back({"qformer.layernorm.weight", {6}});
  expect_error(ErrorCode::bad_model,
               "whose Q-Former reads the instruction, but the one in the weights has no",
               [&] { check(small_config(), tensors); });
}

TEST(Plausibility, RecognisesWhatIsNotLlava) {
  ModelConfig config = small_config();
  config.model_type = "llava";
  config.vision = ClipVisionConfig{};
  config.qformer.reset();
  config.projection = MlpProjectionConfig{};
  expect_error(ErrorCode::bad_model, "this is a checkpoint with a Q-Former",
               [&] { check(config, small_tensors()); });
  expect_error(ErrorCode::bad_model, "these are the names of LLaVA's own code", [&] {
    check(config,
          {{"model.layers.0.mlp.up_proj.weight", {2, 2}}, {"model.mm_projector.weight", {2, 2}}});
  });
  expect_error(ErrorCode::bad_model, "no tensors named [multi_modal_projector.*]", [&] {
    check(config,
          {{"language_model.model.norm.weight", {2}}, {"vision_tower.post_layernorm.weight", {2}}});
  });
}

TEST(Plausibility, RecognisesTheOtherKindOfLanguageModel) {
  ModelConfig t5 = small_config();
  t5.text = T5Config{};
  expect_error(ErrorCode::bad_model, "describes a T5 language model, but the weights hold a LLaMA",
               [&] { check(t5, small_tensors()); });
  auto tensors = without(small_tensors(), "language_model.");
  tensors.push_back({"language_model.encoder.block.0.layer.0.SelfAttention.q.weight", {2, 2}});
  expect_error(ErrorCode::bad_model, "describes a LLaMA language model, but the weights hold a T5",
               [&] { check(small_config(), tensors); });
}

// The config of a model for retrieval: as above without a language model, by the names under which
// the stages look.
RetrievalConfig retrieval_config() {
  const ModelConfig small = small_config();
  RetrievalConfig config;
  config.model_type = "blip-2";
  config.vision = std::get<VitConfig>(small.vision);
  config.qformer = *small.qformer;
  config.shared_width = 3;
  return config;
}

std::vector<TensorOf> retrieval_tensors() {
  std::vector<TensorOf> tensors = without(small_tensors(), "language_");
  tensors.push_back({"itm_head.weight", {2, 6}});
  tensors.push_back({"text_projection.weight", {3, 6}});
  tensors.push_back({"vision_projection.weight", {3, 6}});
  return tensors;
}

void check(const RetrievalConfig& config, const std::vector<TensorOf>& tensors) {
  const test::TempDirectory directory;
  directory.write("model.safetensors", test::safetensors_of(tensors));
  check_plausible(config, TensorStore::open(directory.path()));
}

TEST(Plausibility, TellsRetrievalFromAnswering) {
  constexpr ErrorCode kBad = ErrorCode::bad_model;
  const RetrievalConfig config = retrieval_config();
  const std::vector<TensorOf> tensors = retrieval_tensors();
  EXPECT_NO_THROW(check(config, tensors));
  expect_error(kBad, "load it with Pipeline: instructblip run",
               [&] { check(config, small_tensors()); });
  expect_error(kBad, "load it with ImageTextMatcher: instructblip match",
               [&] { check(small_config(), tensors); });
  expect_error(kBad, "no tensors named", [&] { check(config, without(tensors, "itm_head.")); });
}

}  // namespace
}  // namespace instructblip
