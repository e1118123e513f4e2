// config.json of the BLIP families.
#include <array>
#include <string>

#include "config/config_section.h"
#include "config/model_families.h"
#include "config/patch_encoder.h"
#include "config/retrieval_config.h"
#include "config/text_config.h"
#include "core/errors.h"
#include "core/json.h"

namespace instructblip {
namespace {

// The word and position tables of the retrieval model lie beside its Q-Former, which has the norm
// of both under a name of its own. The stages ask for them as InstructBLIP's.
constexpr std::array<TensorRename, 2> kRetrievalRenames = {{
    {"embeddings.", "qformer.embeddings."},
    {"qformer.layernorm.", "qformer.embeddings.layernorm."},
}};

VitConfig read_vit(const ConfigSection& section) {
  VitConfig config;
  read_patch_encoder(section, "gelu", config);
  config.final_norm_eps = config.layer_norm_eps;
  config.qkv_bias = section.flag("qkv_bias", config.qkv_bias);
  return config;
}

QFormerConfig read_qformer(const ConfigSection& section) {
  QFormerConfig config;
  config.vocabulary = section.size("vocab_size", config.vocabulary);
  config.hidden = section.size("hidden_size", config.hidden);
  config.layers = section.layers("num_hidden_layers", config.layers);
  config.heads = section.heads_of("num_attention_heads", config.heads, config.hidden);
  config.feed_forward = section.size("intermediate_size", config.feed_forward);
  config.max_positions = section.size("max_position_embeddings", config.max_positions);
  config.cross_attention_every =
      section.layers("cross_attention_frequency", config.cross_attention_every);
  config.activation = section.activation("hidden_act", "gelu");
  config.layer_norm_eps = section.positive("layer_norm_eps", config.layer_norm_eps);
  const std::string positions = section.text("position_embedding_type", "absolute");
  if (positions != "absolute") {
    section.unsupported("position_embedding_type",
                        "positions of type " + quote(positions) + ", expected 'absolute'");
  }
  return config;
}

// What looks at the picture.
void read_towers(const Json& root, VitConfig& vision, QFormerConfig& qformer) {
  vision = read_vit(ConfigSection(root, "vision_config"));
  qformer = read_qformer(ConfigSection(root, "qformer_config"));
  qformer.encoder_hidden = vision.hidden;
  qformer.queries = ConfigSection(root).size("num_query_tokens", qformer.queries);
}

// Both spellings occur; where a file has both, the reference reads the first.
std::optional<std::int32_t> read_image_token(const ConfigSection& root, const std::string& what,
                                             std::int64_t vocabulary) {
  const auto index = read_looked_up_id(root, what + "_token_index", vocabulary);
  return index ? index : read_looked_up_id(root, what + "_token_id", vocabulary);
}

// What the BLIP families share; `picture` is how their config names what is looked at.
ModelConfig read_blip(const Json& root, const std::string& picture) {
  const ConfigSection top(root);
  ModelConfig config;
  read_towers(root, config.vision.emplace<VitConfig>(), config.qformer.emplace());
  const Writer writer = writer_of(top);
  TextConfig text = read_text_config(ConfigSection(root, "text_config"), writer, "opt");
  config.text = text.model;
  config.generation = std::move(text.generation);
  refuse_unfit(config.generation);
  config.prompt.image_marker = "<" + picture + ">";
  config.prompt.image_token = read_image_token(top, picture, text.vocabulary);
  config.image_processor.transformers_5 = writer == Writer::transformers_5;
  return config;
}

// Its Q-Former has a table of words, and BLIP-2's has none.
ModelConfig read_instruct(const Json& root, const std::string& picture) {
  ModelConfig config = read_blip(root, picture);
  check_padding(ConfigSection(root, "qformer_config"), config.qformer->vocabulary);
  return config;
}

// BLIP-2's configs: only the retrieval model's Q-Former reads text.
bool reads_text(const Json& root) {
  return ConfigSection(root, "qformer_config").flag("use_qformer_text_input", false);
}

}  // namespace

ModelConfig read_instructblip(const Json& root, const std::filesystem::path&) {
  return read_instruct(root, "image");
}

ModelConfig read_instructblip_video(const Json& root, const std::filesystem::path&) {
  ModelConfig config = read_instruct(root, "video");
  config.prompt.pictures_are_frames = true;
  // Its processor asks its tokenizers for whole texts, where those of the others ask for nothing.
  config.prompt.cuts_as_tokenizer = false;
  config.image_processor.of_video = true;
  return config;
}

ModelConfig read_blip2(const Json& root, const std::filesystem::path&) {
  if (reads_text(root)) {
    throw Error(ErrorCode::unsupported,
                root.where("qformer_config") +
                    ".use_qformer_text_input: a BLIP-2 model for retrieval, expected one that "
                    "answers instructions",
                "load it with ImageTextMatcher: instructblip match");
  }
  ModelConfig config = read_blip(root, "image");
  config.qformer->reads_instruction = false;
  config.prompt.optional = true;
  config.prompt.bos_alone = true;
  return config;
}

bool is_retrieval_config(const std::filesystem::path& directory) {
  const Json root = read_config_file(directory);
  return ConfigSection(root).text("model_type", "") == "blip-2" && reads_text(root);
}

RetrievalConfig read_retrieval_config(const std::filesystem::path& directory) {
  const Json root = read_config_file(directory);
  const ConfigSection top(root);
  const std::string model_type = top.text("model_type", "");
  if (model_type != "blip-2" || !reads_text(root)) {
    throw Error(ErrorCode::unsupported,
                root.where("model_type") + ": " + quote(model_type) +
                    ", expected 'blip-2' with qformer_config.use_qformer_text_input: a model for "
                    "retrieval",
                "a model that answers instructions is loaded with Pipeline: instructblip run");
  }
  RetrievalConfig config;
  config.model_type = model_type;
  read_towers(root, config.vision, config.qformer);
  check_padding(ConfigSection(root, "qformer_config"), config.qformer.vocabulary);
  config.shared_width = top.size("image_text_hidden_size", config.shared_width);
  config.image_processor.transformers_5 = writer_of(top) == Writer::transformers_5;
  config.renames = kRetrievalRenames;
  return config;
}

}  // namespace instructblip
