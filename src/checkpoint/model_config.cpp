#include "checkpoint/model_config.h"

#include <array>
#include <system_error>

#include "checkpoint/config_section.h"
#include "checkpoint/model_families.h"
#include "checkpoint/text_config.h"
#include "core/errors.h"
#include "core/file.h"
#include "core/json.h"

namespace instructblip {
namespace {

VitConfig read_vit(const ConfigSection& section) {
  VitConfig config;
  config.hidden = section.size("hidden_size", config.hidden);
  config.feed_forward = section.size("intermediate_size", config.feed_forward);
  config.layers = section.layers("num_hidden_layers", config.layers);
  config.heads = section.heads_of("num_attention_heads", config.heads, config.hidden);
  config.image_size = section.size("image_size", config.image_size);
  config.patch_size = section.size("patch_size", config.patch_size);
  if (config.patch_size > config.image_size) {
    section.fail("patch_size", "at most image_size " + std::to_string(config.image_size),
                 std::to_string(config.patch_size));
  }
  config.activation = section.activation("hidden_act", "gelu");
  config.layer_norm_eps = section.positive("layer_norm_eps", config.layer_norm_eps);
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

// Both spellings occur; where a file has both, the reference reads the first.
std::optional<std::int32_t> read_image_token(const ConfigSection& root, const std::string& what,
                                             std::int64_t vocabulary) {
  const auto index = read_token_id(root, what + "_token_index", vocabulary);
  return index ? index : read_token_id(root, what + "_token_id", vocabulary);
}

// What the BLIP families share; `picture` is how their config names what is looked at.
ModelConfig read_blip(const Json& root, const std::string& picture) {
  const ConfigSection top(root);
  ModelConfig config;
  const VitConfig vision = read_vit(ConfigSection(root, "vision_config"));
  config.vision = vision;
  config.qformer = read_qformer(ConfigSection(root, "qformer_config"));
  config.qformer->encoder_hidden = vision.hidden;
  config.qformer->queries = top.size("num_query_tokens", config.qformer->queries);
  const Writer writer = writer_of(top);
  TextConfig text = read_text_config(ConfigSection(root, "text_config"), writer, "opt");
  config.text = text.model;
  config.generation = std::move(text.generation);
  config.prompt.image_marker = "<" + picture + ">";
  config.prompt.image_token = read_image_token(top, picture, text.vocabulary);
  config.image_processor.transformers_5 = writer == Writer::transformers_5;
  return config;
}

ModelConfig read_instructblip(const Json& root, const std::filesystem::path&) {
  return read_blip(root, "image");
}

ModelConfig read_instructblip_video(const Json& root, const std::filesystem::path&) {
  ModelConfig config = read_blip(root, "video");
  config.prompt.pictures_are_frames = true;
  config.image_processor.of_video = true;
  return config;
}

ModelConfig read_blip2(const Json& root, const std::filesystem::path&) {
  ModelConfig config = read_blip(root, "image");
  const ConfigSection qformer(root, "qformer_config");
  if (qformer.flag("use_qformer_text_input", false)) {
    qformer.unsupported("use_qformer_text_input", "a BLIP-2 model for retrieval");
  }
  config.qformer->reads_instruction = false;
  config.prompt.bos_alone = true;
  return config;
}

struct Family {
  std::string_view model_type;
  ModelConfig (*read)(const Json& root, const std::filesystem::path& directory);
};

constexpr std::array<Family, 4> kFamilies = {{
    {"instructblip", read_instructblip},
    {"instructblipvideo", read_instructblip_video},
    {"blip-2", read_blip2},
    {"llava", read_llava},
}};

// Directories that are easily taken for a whole model.
std::string hint_for(const std::string& model_type) {
  if (model_type == "llama" || model_type == "t5" || model_type == "opt") {
    return "this is a language model alone; give the directory of the whole model";
  }
  return {};
}

}  // namespace

ModelConfig read_model_config(const std::filesystem::path& directory) {
  const std::string shown = printable(directory.string());
  const std::string hint =
      "give the directory of a Hugging Face checkpoint: config.json, *.safetensors, tokenizers";
  std::error_code ignored;
  if (!std::filesystem::is_directory(directory, ignored)) {
    if (!is_present(directory)) {
      throw Error(ErrorCode::not_found, shown + ": no such directory", hint);
    }
    throw Error(ErrorCode::bad_model, shown + ": expected a directory, got a file", hint);
  }
  if (!is_present(directory / "config.json")) {
    throw Error(ErrorCode::not_found, shown + ": no config.json in this directory", hint);
  }
  const Json root = Json::read(directory / "config.json");
  const ConfigSection top(root);
  const std::string model_type = top.text("model_type", "");
  std::string known;
  for (const Family& family : kFamilies) {
    if (family.model_type == model_type) {
      ModelConfig config = family.read(root, directory);
      config.model_type = model_type;
      return config;
    }
    known += (known.empty() ? "" : ", ") + std::string(family.model_type);
  }
  throw Error(ErrorCode::unsupported,
              root.where() + ": model_type: " +
                  (top.find("model_type") ? quote(model_type) : std::string("missing")) +
                  ", expected one of " + known,
              hint_for(model_type));
}

}  // namespace instructblip
