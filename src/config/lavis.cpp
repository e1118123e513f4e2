#include "config/lavis.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "core/errors.h"

namespace instructblip {
namespace {

constexpr double kVisionNormEps = 1e-5;           // blip2.py, LayerNorm: torch's default
constexpr std::int64_t kInstructionTokens = 128;  // max_txt_len of the instruct models
constexpr std::int64_t kTextTokens = 32;          // and of the others

// The ids of Vicuna v1.1, which LAVIS reads from the language model's own folder. Those that
// transformers has in text_config come from another.
constexpr std::int32_t kVicunaBos = 1;
constexpr std::int32_t kVicunaEos = 2;
constexpr std::int32_t kOptBos = 2;

// eva_vit.py, convert_weights_to_fp16(): linear layers and the convolution, but not the biases of
// queries and values, which are parameters of the attention.
bool is_half_in_vision(std::string_view tensor) {
  if (!tensor.starts_with("vision_model.")) return false;
  constexpr std::array<std::string_view, 5> kLayers = {".patch_embedding.", ".self_attn.qkv.weight",
                                                       ".self_attn.projection.", ".mlp.fc1.",
                                                       ".mlp.fc2."};
  return std::ranges::any_of(kLayers, [&](std::string_view layer) {
    return tensor.find(layer) != std::string_view::npos;
  });
}

bool is_of_language_model(std::string_view tensor) { return tensor.starts_with("language_model."); }

// What a model's weights are rounded to: its ViT's, or none of it, and its language model's.
template <DType kLanguage>
std::optional<DType> rounded_language(std::string_view tensor) {
  return is_of_language_model(tensor) ? std::optional(kLanguage) : std::nullopt;
}
std::optional<DType> rounded_vision(std::string_view tensor) {
  return is_half_in_vision(tensor) ? std::optional(DType::f16) : std::nullopt;
}
template <DType kLanguage>
std::optional<DType> rounded_both(std::string_view tensor) {
  return is_of_language_model(tensor) ? kLanguage : rounded_vision(tensor);
}

// configs/models/blip2/*.yaml: vit_precision is "fp32" in those that were tuned on COCO, which are
// the ones with pictures of this size, and "fp16" in all others.
bool has_whole_vision(const VitConfig& vision) { return vision.image_size == 364; }

template <DType kLanguage>
RoundedTo rounding(const ModelConfig& config) {
  return has_whole_vision(std::get<VitConfig>(config.vision)) ? rounded_language<kLanguage>
                                                              : rounded_both<kLanguage>;
}

// Arguments of generate(), which count whatever the language model's folder says. A length there
// counts the token that stands before the new ones, but for T5's, which is max_new_tokens.
struct GenerateDefaults {
  std::int64_t max_new_tokens;
  double repetition_penalty;
};

void follow_generate(TextGenerationDefaults& generation, const GenerateDefaults& defaults) {
  TextGenerationDefaults own;  // text_config's are transformers' alone
  own.eos = generation.eos;
  own.bos = generation.bos;
  own.pad = generation.pad;
  own.stands_for_prompt = generation.stands_for_prompt;
  own.ranks_with_end = generation.ranks_with_end;
  own.max_new_tokens = defaults.max_new_tokens;
  own.min_new_tokens = 0;  // min_length 1 counts the token before, and forbids nothing
  own.num_beams = 5;
  own.repetition_penalty = defaults.repetition_penalty;
  own.length_penalty = 1;
  own.top_p = 0.9;
  own.source = "LAVIS's generate()";
  own.beam_scorer = BeamScorer::transformers_4_33;
  generation = std::move(own);
}

struct Language {
  ModelConfig& config;
  bool instruct;  // and not BLIP-2

  void operator()(T5Config& text) const {
    text.activation = Activation::gelu;                 // t5_config.dense_act_fn = "gelu"
    config.rounded_to = rounding<DType::bf16>(config);  // param.data.bfloat16(), of all of them
    config.prompt.clean_up_spaces = true;
    follow_generate(config.generation,
                    instruct ? GenerateDefaults{256, 1.5} : GenerateDefaults{30, 1.0});
  }

  void operator()(LlamaConfig&) const {
    config.rounded_to = rounding<DType::f16>(config);  // torch_dtype=torch.float16
    config.prompt.clean_up_spaces = false;
    config.prompt.by_sentencepiece = true;
    config.generation.bos = config.generation.stands_for_prompt = kVicunaBos;
    config.generation.eos = {kVicunaEos};
    config.generation.ranks_with_end = false;
    follow_generate(config.generation, {255, 1.5});
  }

  void operator()(OptConfig&) const {
    config.rounded_to = rounding<DType::f16>(config);  // torch_dtype=torch.float16
    config.prompt.clean_up_spaces = true;
    config.prompt.newline_ends = true;
    config.prompt.language_limit = TokenLimit{kTextTokens, 1, 0};
    config.generation.stands_for_prompt = config.generation.bos.value_or(kOptBos);
    follow_generate(config.generation, {29, 1.0});
  }
};

}  // namespace

void follow_lavis(ModelConfig& config) {
  auto* const vision = std::get_if<VitConfig>(&config.vision);
  if (vision == nullptr || !config.qformer) {
    throw Error(ErrorCode::unsupported,
                "compat: LAVIS has no " + quote(config.model_type) +
                    ", expected a model of the BLIP families",
                "leave compat at hf");
  }
  vision->final_norm_eps = kVisionNormEps;
  const bool instruct = config.qformer->reads_instruction;
  if (instruct)
    config.prompt.qformer_limit = TokenLimit{kInstructionTokens, 1, 1, /*keeps_end=*/true};
  config.prompt.bos_alone = config.prompt.cuts_as_tokenizer = false;
  config.image_processor.transformers_5 = false;
  std::visit(Language{config, instruct}, config.text);
}

void follow_lavis(RetrievalConfig& config) {
  config.vision.final_norm_eps = kVisionNormEps;
  config.text_limit = TokenLimit{kTextTokens, 1, 1};
  config.rounded_to = has_whole_vision(config.vision) ? nullptr : rounded_vision;
}

void follow_lavis(ImageConfig& config, Geometry geometry) {
  if (geometry == Geometry::crop && config.height != config.width) {
    throw Error(ErrorCode::unsupported, "geometry: crop is of a square, got pixels of " +
                                            std::to_string(config.width) + " x " +
                                            std::to_string(config.height));
  }
  const ImageConfig clip;  // whose mean and deviation its processors have, whatever the file says
  config.mean = clip.mean;
  config.std = clip.std;
  config.as_torchvision_transforms = true;
  config.by_torchvision = false;  // its transforms are given Pillow's pictures
  config.three_rows_are_channels = config.one_row_is_a_channel = false;
  config.picked_frames = 0;
  config.pad_to_square = false;
  config.resize = config.rescale = config.normalize = true;
  config.center_crop = geometry == Geometry::crop;
  config.shortest_edge = config.center_crop ? config.height : 0;
}

}  // namespace instructblip
