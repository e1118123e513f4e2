#include "costs/published_models.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <variant>

#include "core/errors.h"

namespace instructblip::costs {
namespace {

constexpr std::int32_t kT5Image = 32100, kVicunaImage = 32001, kOptImage = 50265;
constexpr std::int32_t kMt0Image = 250100;  // the first behind its tokenizer's pieces
constexpr std::int32_t kLlavaImage = 32000, kLlama3LlavaImage = 128257, kLlama3NextImage = 128256;

// ViT-g/14 of EVA-CLIP and a Q-Former, before a language model.
ModelConfig blip(LanguageConfig text, std::int32_t image_token, std::int32_t eos) {
  ModelConfig config;
  config.vision = VitConfig{};
  config.qformer.emplace().vocabulary = 30523;
  config.projection = LinearProjectionConfig{};
  config.text = std::move(text);
  config.prompt.image_token = image_token;
  config.generation.eos = {eos};
  return config;
}

ModelConfig blip2(LanguageConfig text, std::int32_t image_token, std::int32_t eos) {
  ModelConfig config = blip(std::move(text), image_token, eos);
  config.model_type = "blip-2";
  config.qformer->reads_instruction = false;
  config.prompt.optional = true;
  return config;
}

ModelConfig instructblip(LanguageConfig text, std::int32_t image_token, std::int32_t eos) {
  ModelConfig config = blip(std::move(text), image_token, eos);
  config.model_type = "instructblip";
  return config;
}

T5Config flan_t5(std::int64_t hidden, std::int64_t heads, std::int64_t feed_forward) {
  T5Config config;
  config.hidden = hidden;
  config.heads = heads;
  config.feed_forward = feed_forward;
  config.encoder_layers = config.decoder_layers = 24;
  config.activation = Activation::gelu;
  config.gated = true;
  config.tie_word_embeddings = false;
  return config;
}
T5Config flan_t5_xl() { return flan_t5(2048, 32, 5120); }
T5Config mt0_xl() {
  T5Config config = flan_t5_xl();
  config.vocabulary = 250112;
  return config;
}
T5Config flan_t5_xxl() { return flan_t5(4096, 64, 10240); }

LlamaConfig vicuna_7b() {
  LlamaConfig config;
  config.vocabulary = 32064;
  return config;
}
LlamaConfig vicuna_13b() {
  LlamaConfig config = vicuna_7b();
  config.hidden = 5120;
  config.feed_forward = 13824;
  config.layers = config.heads = config.key_value_heads = 40;
  return config;
}
// Version 1.5, as LLaVA has it.
LlamaConfig with_long_texts(LlamaConfig config) {
  config.max_positions = 4096;
  config.rms_norm_eps = 1e-5;
  return config;
}
LlamaConfig mistral_7b() {
  LlamaConfig config = with_long_texts(vicuna_7b());
  config.feed_forward = 14336;
  config.key_value_heads = 8;
  config.max_positions = 32768;
  config.rope_theta = 1e6;
  return config;
}

LlamaConfig llama3_8b() {
  LlamaConfig config = with_long_texts(LlamaConfig());
  config.vocabulary = 128320;
  config.feed_forward = 14336;
  config.key_value_heads = 8;
  config.max_positions = 8192;
  config.rope_theta = 5e5;
  return config;
}

OptConfig opt(std::int64_t hidden, std::int64_t feed_forward) {
  OptConfig config;
  config.vocabulary = 50304;
  config.hidden = config.embedding_width = hidden;
  config.feed_forward = feed_forward;
  config.layers = config.heads = 32;
  return config;
}

ModelConfig llava(LlamaConfig text) {
  ModelConfig config;
  config.model_type = "llava";
  ClipVisionConfig vision;
  vision.hidden = 1024;
  vision.feed_forward = 4096;
  vision.layers = 24;
  vision.heads = 16;
  vision.image_size = 336;
  vision.patch_size = 14;
  vision.feature_layers = {vision.layers - 1};  // vision_feature_layer -2
  config.vision = vision;
  config.projection = MlpProjectionConfig{.two_layers = true};
  config.text = std::move(text);
  config.prompt.image_token = kLlavaImage;
  config.prompt.chat = {"USER: <image>\n", " ASSISTANT:"};
  config.generation.eos = {2};
  return config;
}

ModelConfig llava_next(LlamaConfig text) {
  ModelConfig config = llava(std::move(text));
  config.model_type = "llava_next";
  const TilingConfig tiling{.grid = {{336, 672}, {672, 336}, {672, 672}, {1008, 336}, {336, 1008}},
                            .side = 336,
                            .patches = 24};
  config.projection =
      TiledProjectionConfig{std::get<MlpProjectionConfig>(config.projection), tiling};
  config.image_processor.tiling = tiling;
  return config;
}

ModelConfig with_llama3_ids(ModelConfig config, std::int32_t image_token, std::int32_t eos) {
  config.prompt.image_token = image_token;
  config.generation.eos = {eos};
  return config;
}

ModelConfig tiny(LanguageConfig text) {
  ModelConfig config = instructblip(std::move(text), 120, 1);
  config.vision =
      VitConfig{.hidden = 32, .feed_forward = 64, .layers = 2, .heads = 2, .image_size = 28};
  QFormerConfig& qformer = *config.qformer;
  qformer.vocabulary = 128;
  qformer.hidden = qformer.encoder_hidden = 32;
  qformer.layers = qformer.heads = 2;
  qformer.feed_forward = 64;
  qformer.queries = 4;
  return config;
}
ModelConfig tiny_t5() {
  T5Config text = flan_t5(32, 2, 64);
  text.vocabulary = 128;
  text.key_value = 16;
  text.encoder_layers = text.decoder_layers = 2;
  return tiny(text);
}
ModelConfig tiny_llama() {
  LlamaConfig text;
  text.vocabulary = 128;
  text.hidden = 32;
  text.feed_forward = 64;
  text.layers = text.heads = text.key_value_heads = 2;
  text.head_dim = 16;
  return tiny(text);
}

constexpr std::array kModels = std::to_array<PublishedModel>({
    {"instructblip-flan-t5-xl", "Salesforce/instructblip-flan-t5-xl",
     [] { return instructblip(flan_t5_xl(), kT5Image, 1); }},
    {"instructblip-flan-t5-xxl", "Salesforce/instructblip-flan-t5-xxl",
     [] { return instructblip(flan_t5_xxl(), kT5Image, 1); }},
    {"instructblip-vicuna-7b", "Salesforce/instructblip-vicuna-7b",
     [] { return instructblip(vicuna_7b(), kVicunaImage, 2); }},
    {"instructblip-vicuna-13b", "Salesforce/instructblip-vicuna-13b",
     [] { return instructblip(vicuna_13b(), kVicunaImage, 2); }},
    {"blip2-opt-2.7b", "Salesforce/blip2-opt-2.7b",
     [] { return blip2(opt(2560, 10240), kOptImage, 50118); }},
    {"blip2-opt-6.7b", "Salesforce/blip2-opt-6.7b",
     [] { return blip2(opt(4096, 16384), kOptImage, 50118); }},
    {"blip2-flan-t5-xl", "Salesforce/blip2-flan-t5-xl",
     [] { return blip2(flan_t5_xl(), kT5Image, 1); }},
    {"blip2-flan-t5-xxl", "Salesforce/blip2-flan-t5-xxl",
     [] { return blip2(flan_t5_xxl(), kT5Image, 1); }},
    {"mblip-mt0-xl", "Gregor/mblip-mt0-xl", [] { return blip2(mt0_xl(), kMt0Image, 1); }},
    {"llava-1.5-7b", "llava-hf/llava-1.5-7b-hf",
     [] { return llava(with_long_texts(vicuna_7b())); }},
    {"llava-1.5-13b", "llava-hf/llava-1.5-13b-hf",
     [] { return llava(with_long_texts(vicuna_13b())); }},
    {"llava-llama-3-8b-v1_1", "xtuner/llava-llama-3-8b-v1_1-transformers",
     [] { return with_llama3_ids(llava(llama3_8b()), kLlama3LlavaImage, 128001); }},
    {"llava-v1.6-vicuna-7b", "llava-hf/llava-v1.6-vicuna-7b-hf",
     [] { return llava_next(with_long_texts(vicuna_7b())); }},
    {"llava-v1.6-vicuna-13b", "llava-hf/llava-v1.6-vicuna-13b-hf",
     [] { return llava_next(with_long_texts(vicuna_13b())); }},
    {"llava-v1.6-mistral-7b", "llava-hf/llava-v1.6-mistral-7b-hf",
     [] { return llava_next(mistral_7b()); }},
    {"llama3-llava-next-8b", "llava-hf/llama3-llava-next-8b-hf",
     [] { return with_llama3_ids(llava_next(llama3_8b()), kLlama3NextImage, 128009); }},
    {"tiny-t5", "none: for tests", tiny_t5},
    {"tiny-llama", "none: for tests", tiny_llama},
});

void cut(VitConfig& config, std::int64_t layers) {
  config.layers = std::min(config.layers, layers);
}
// The last layer's output is not what the published models look at.
void cut(ClipVisionConfig& config, std::int64_t layers) {
  config.layers = std::min(config.layers, layers + 1);
  for (std::int64_t& layer : config.feature_layers) layer = std::min(layer, layers);
}
void cut(T5Config& config, std::int64_t layers) {
  config.encoder_layers = std::min(config.encoder_layers, layers);
  config.decoder_layers = std::min(config.decoder_layers, layers);
}
template <typename Config>
void cut(Config& config, std::int64_t layers) {
  config.layers = std::min(config.layers, layers);
}

}  // namespace

std::span<const PublishedModel> published_models() { return kModels; }

ModelConfig published_config(std::string_view name) {
  const auto found = std::ranges::find(kModels, name, &PublishedModel::name);
  if (found != kModels.end()) return found->config();
  std::string names;
  for (const PublishedModel& model : kModels) {
    names += (names.empty() ? "" : ", ") + std::string(model.name);
  }
  throw Error(ErrorCode::invalid_argument,
              "no published model is called " + quote(name) + ", expected one of " + names);
}

void cut_layers(ModelConfig& config, std::int64_t layers) {
  std::visit([&](auto& vision) { cut(vision, layers); }, config.vision);
  if (config.qformer) cut(*config.qformer, layers);
  std::visit([&](auto& text) { cut(text, layers); }, config.text);
}

ImageConfig image_config_for(const ModelConfig& config) {
  const std::int64_t side =
      std::visit([](const auto& vision) { return vision.image_size; }, config.vision);
  ImageConfig image;
  image.height = image.width = side;
  if (const auto& tiling = config.image_processor.tiling) {
    image.grid = tiling->grid;
    image.tile_side = tiling->side;
    image.whole = {side, side};
  }
  return image;
}

}  // namespace instructblip::costs
