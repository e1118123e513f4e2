#include "adapters/tensor_names.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <variant>

namespace instructblip {
namespace {

// LAVIS's names: models/eva_vit.py, models/blip2_models/Qformer.py, and the attributes of
// Blip2VicunaInstruct, Blip2T5Instruct, Blip2OPT, Blip2Qformer.
constexpr std::array<TensorRename, 19> kLavis = {{
    {"visual_encoder.cls_token", "vision_model.embeddings.class_embedding"},
    {"visual_encoder.pos_embed", "vision_model.embeddings.position_embedding"},
    {"visual_encoder.patch_embed.proj.", "vision_model.embeddings.patch_embedding."},
    {"visual_encoder.blocks.", "vision_model.encoder.layers."},
    {"ln_vision.", "vision_model.post_layernorm."},
    {"Qformer.bert.embeddings.LayerNorm.", "qformer.embeddings.layernorm."},
    {"Qformer.bert.", "qformer."},
    {"llm_proj.", "language_projection."},
    {"t5_proj.", "language_projection."},
    {"opt_proj.", "language_projection."},
    {"llm_model.", "language_model."},
    {"t5_model.", "language_model."},
    {"opt_model.", "language_model."},
    {"vision_proj.", "vision_projection."},
    {"text_proj.", "text_projection."},
    // eva_vit_g.pth, from which LAVIS fills its vision encoder.
    {"blocks.", "vision_model.encoder.layers."},
    {"cls_token", "vision_model.embeddings.class_embedding"},
    {"pos_embed", "vision_model.embeddings.position_embedding"},
    {"patch_embed.proj.", "vision_model.embeddings.patch_embedding."},
}};

// The projector by the names of LLaVA's own code.
constexpr std::array<TensorRename, 6> kLlavaProjector = {{
    {"mm_projector.0.", "multi_modal_projector.linear_1."},
    {"mm_projector.2.", "multi_modal_projector.linear_2."},
    {"mm_projector.", "multi_modal_projector."},
    {"model.mm_projector.0.", "multi_modal_projector.linear_1."},
    {"model.mm_projector.2.", "multi_modal_projector.linear_2."},
    {"model.mm_projector.", "multi_modal_projector."},
}};

// Inside the names of a layer of the vision encoder, and of one of the Q-Former.
constexpr std::array<TensorRename, 4> kInVisionLayer = {{
    {".norm1.", ".layer_norm1."},
    {".norm2.", ".layer_norm2."},
    {".attn.proj.", ".self_attn.projection."},
    {".attn.", ".self_attn."},
}};
constexpr std::array<TensorRename, 1> kInQFormerLayer = {{
    {"attention.self.", "attention.attention."},  // crossattention too
}};

// What LAVIS's training needs and no answer: the head that predicts words, and the temperature of
// the contrastive loss.
bool is_of_training_alone(std::string_view name) {
  return name.starts_with("Qformer.cls.") || name == "temp";
}

// Heads of rewards, values and classes that trainers put beside a language model.
constexpr std::string_view kHeads[] = {"v_head.", "value_head.", "reward_head.",
                                       "score.",  "classifier.", "qa_outputs."};

// The bare model of a language model, which some directories hold without its head. Applied in this
// order; T5 has no such layer around it.
constexpr std::array<TensorRename, 3> kBareLlama = {{
    {"embed_tokens.", "model.embed_tokens."},
    {"layers.", "model.layers."},
    {"norm.", "model.norm."},
}};
constexpr std::array<TensorRename, 1> kBareOpt = {{{"decoder.", "model.decoder."}}};

std::span<const TensorRename> bare_names(const T5Config&) { return {}; }
std::span<const TensorRename> bare_names(const LlamaConfig&) { return kBareLlama; }
std::span<const TensorRename> bare_names(const OptConfig&) { return kBareOpt; }

// Names in the hub's files, where they are not ours.
constexpr std::array<TensorRename, 1> kWrittenLlava = {
    {{"vision_tower.", "vision_tower.vision_model."}}};
constexpr std::array<TensorRename, 2> kWrittenRetrieval = {{
    {"qformer.embeddings.layernorm.", "qformer.layernorm."},
    {"qformer.embeddings.", "embeddings."},
}};

// How the names of a language model that stands alone begin.
constexpr std::string_view kAlone[] = {"model.layers.",
                                       "model.embed_tokens.",
                                       "model.norm.",
                                       "model.decoder.",
                                       "lm_head.",
                                       "shared.",
                                       "encoder.block.",
                                       "encoder.final_layer_norm.",
                                       "decoder.block.",
                                       "decoder.final_layer_norm.",
                                       "encoder.embed_tokens.",
                                       "decoder.embed_tokens."};

// How ours begin, but for those of the language model.
constexpr std::string_view kOurs[] = {"vision_model.embeddings.",
                                      "vision_model.encoder.",
                                      "vision_model.post_layernorm.",
                                      "vision_tower.embeddings.",
                                      "vision_tower.encoder.",
                                      "vision_tower.pre_layrnorm.",
                                      "vision_tower.post_layernorm.",
                                      "qformer.embeddings.",
                                      "qformer.layernorm.",
                                      "qformer.encoder.",
                                      "language_projection.",
                                      "multi_modal_projector.",
                                      "vision_projection.",
                                      "text_projection.",
                                      "itm_head."};
constexpr std::string_view kLanguage = "language_model.";

bool begins_with_any(std::string_view name, std::span<const std::string_view> beginnings) {
  return std::ranges::any_of(beginnings,
                             [&](std::string_view begin) { return name.starts_with(begin); });
}

bool begins_with(std::string& name, const TensorRename& row) {
  if (!name.starts_with(row.from)) return false;
  name.replace(0, row.from.size(), row.to);
  return true;
}

bool rename_first(std::string& name, std::span<const TensorRename> rows) {
  for (const TensorRename& row : rows) {
    if (begins_with(name, row)) return true;
  }
  return false;
}

void rename_inside(std::string& name, std::span<const TensorRename> rows) {
  for (const TensorRename& row : rows) {
    const std::size_t at = name.find(row.from);
    if (at != std::string::npos) {
      name.replace(at, row.from.size(), row.to);
      return;
    }
  }
}

std::int64_t layers_of(const VisionConfig& config) {
  return std::visit([](const auto& vision) { return vision.layers; }, config);
}

constexpr std::string_view kVisionLayers = "vision_model.encoder.layers.";

// The index behind kVisionLayers, or -1.
std::int64_t vision_layer_of(std::string_view name) {
  std::int64_t layer = -1;
  const std::string_view rest = name.substr(kVisionLayers.size());
  std::from_chars(rest.data(), rest.data() + rest.size(), layer);
  return layer;
}

}  // namespace

TensorNames::TensorNames(const ModelConfig& config)
    : hub_(config.renames),
      language_(std::visit([](const auto& text) { return bare_names(text); }, config.text)),
      norm_beside_words_(!config.qformer || config.qformer->reads_instruction),
      vision_layers_(layers_of(config.vision)),
      has_tiles_(std::holds_alternative<TiledProjectionConfig>(config.projection)) {
  if (std::holds_alternative<ClipVisionConfig>(config.vision)) written_ = kWrittenLlava;
}

TensorNames::TensorNames(const RetrievalConfig& config)
    : hub_(config.renames), written_(kWrittenRetrieval), vision_layers_(config.vision.layers) {}

std::optional<std::string> TensorNames::of_model(std::string_view stored) const {
  if (is_of_training_alone(stored)) return std::nullopt;
  std::string name(stored);
  const bool bare_vision = stored.starts_with("blocks.");
  if (rename_first(name, kLavis)) {
    if (name.starts_with(kVisionLayers)) {
      rename_inside(name, kInVisionLayer);
      // eva_vit_g.pth has one layer more than the models that look at the one before its last.
      if (bare_vision && vision_layer_of(name) >= vision_layers_) return std::nullopt;
    }
    if (name.starts_with("qformer.encoder.")) rename_inside(name, kInQFormerLayer);
    if (!norm_beside_words_) {
      begins_with(name, {"qformer.embeddings.layernorm.", "qformer.layernorm."});
    }
    return name;
  }
  for (const TensorRename& row : hub_) begins_with(name, row);
  return name;
}

std::optional<std::string> TensorNames::of_part(std::string_view stored) const {
  std::optional<std::string> name = of_model(stored);
  if (!name || rename_first(*name, kLlavaProjector)) return name;
  return begins_with_any(*name, kAlone) ? of_language_model(*name) : name;
}

bool TensorNames::is_of_another_head(std::string_view stored) {
  if (stored.starts_with(kLanguage)) stored.remove_prefix(kLanguage.size());
  return begins_with_any(stored, kHeads);
}

bool TensorNames::is_idle_newline(std::string_view stored) const {
  return !has_tiles_ && (stored == "image_newline" || stored == "model.image_newline");
}

bool TensorNames::is_known(std::string_view stored) const {
  const std::optional<std::string> name = of_part(stored);
  if (!name) return false;
  if (name->starts_with(kLanguage)) {
    return begins_with_any(std::string_view(*name).substr(kLanguage.size()), kAlone);
  }
  return begins_with_any(*name, kOurs) || *name == "query_tokens" || *name == "image_newline";
}

std::string TensorNames::of_language_model(std::string_view stored) const {
  std::string name(stored);
  rename_first(name, language_);
  return std::string(kLanguage) + name;
}

bool TensorNames::is_of_language_model(std::string_view stored) const {
  return is_known(of_language_model(stored));
}

std::string TensorNames::written(std::string_view ours) const {
  std::string name(ours);
  rename_first(name, written_);
  return name;
}

}  // namespace instructblip
