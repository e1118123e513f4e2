#include "config/shape_keys.h"

#include <algorithm>
#include <array>

namespace instructblip {
namespace {

constexpr std::string_view kOtherConfig = "config.json and the weights are of two checkpoints";
constexpr std::string_view kOtherEncoder = "is this the Q-Former of another vision encoder?";
constexpr std::string_view kOtherLanguage = "is this the language model of another size?";
constexpr std::string_view kOtherResolution =
    "is image_size that of another resolution of this model?";

// A tensor's name begins and ends so; either may be empty.
struct Row {
  std::string_view begin, end;
  ShapeKeys keys;
};

// The first row that fits counts: those of a whole section come last.
constexpr auto kRows = std::to_array<Row>({
    {"vision_model.embeddings.position_embedding",
     "",
     {"vision_config.image_size, patch_size and hidden_size", kOtherResolution}},
    {"vision_tower.embeddings.position_embedding",
     "",
     {"vision_config.image_size, patch_size and hidden_size", kOtherResolution}},
    {"vision_",
     ".patch_embedding.weight",
     {"vision_config.hidden_size and patch_size", kOtherConfig}},
    {"query_tokens", "", {"num_query_tokens, qformer_config.hidden_size", kOtherConfig}},
    {"qformer.",
     ".word_embeddings.weight",
     {"qformer_config.vocab_size and hidden_size", kOtherConfig}},
    {"qformer.",
     ".crossattention.attention.key.weight",
     {"qformer_config.hidden_size, vision_config.hidden_size", kOtherEncoder}},
    {"qformer.",
     ".crossattention.attention.value.weight",
     {"qformer_config.hidden_size, vision_config.hidden_size", kOtherEncoder}},
    {"language_projection.",
     "",
     {"the width in text_config, qformer_config.hidden_size", kOtherLanguage}},
    {"multi_modal_projector.",
     "",
     {"text_config.hidden_size, vision_config.hidden_size and vision_feature_layer",
      kOtherLanguage}},
    {"vision_projection.",
     "",
     {"image_text_hidden_size, qformer_config.hidden_size", kOtherConfig}},
    {"text_projection.", "", {"image_text_hidden_size, qformer_config.hidden_size", kOtherConfig}},
    {"language_model.",
     ".embed_tokens.weight",
     {"text_config.vocab_size and its width", kOtherLanguage}},
    {"language_model.", ".shared.weight", {"text_config.vocab_size and d_model", kOtherLanguage}},
    {"language_model.", "", {"text_config", kOtherLanguage}},
    {"qformer.", "", {"qformer_config", kOtherConfig}},
    {"vision_model.", "", {"vision_config", kOtherConfig}},
    {"vision_tower.", "", {"vision_config", kOtherConfig}},
});

}  // namespace

ShapeKeys shape_keys_of(std::string_view tensor) {
  const auto found = std::ranges::find_if(kRows, [&](const Row& row) {
    return tensor.starts_with(row.begin) && tensor.ends_with(row.end);
  });
  return found == kRows.end() ? ShapeKeys{} : found->keys;
}

}  // namespace instructblip
