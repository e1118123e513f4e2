#include "config/own_llava.h"

#include <algorithm>
#include <array>
#include <set>
#include <string_view>
#include <utility>
#include <variant>

#include "config/config_section.h"
#include "config/tiling_config.h"
#include "core/errors.h"
#include "core/file.h"
#include "core/log.h"

namespace instructblip {
namespace {

namespace fs = std::filesystem;

// The vision towers that LLaVA's own code names, by what their vision_config says.
struct Tower {
  std::string_view name;
  std::int64_t hidden, layers, image_size, patch_size;
};
constexpr std::array<Tower, 4> kTowers = {{
    {"clip-vit-base-patch16", 768, 12, 224, 16},
    {"clip-vit-base-patch32", 768, 12, 224, 32},
    {"clip-vit-large-patch14", 1024, 24, 224, 14},
    {"clip-vit-large-patch14-336", 1024, 24, 336, 14},
}};
// Parts of the names of towers that are no CLIP.
constexpr std::array<std::string_view, 8> kOtherTowers = {"siglip",    "eva",   "dino",  "convnext",
                                                          "internvit", "aimv2", "radio", "sam-vit"};

bool is_described_by(const Tower& tower, const ClipVisionConfig& vision) {
  return tower.hidden == vision.hidden && tower.layers == vision.layers &&
         tower.image_size == vision.image_size && tower.patch_size == vision.patch_size;
}

std::string sizes_of(std::int64_t layers, std::int64_t hidden, std::int64_t image_size,
                     std::int64_t patch_size) {
  return std::to_string(layers) + " layers, " + std::to_string(hidden) + " wide, for " +
         std::to_string(image_size) + " pixels in patches of " + std::to_string(patch_size);
}

using Pairs = std::set<std::pair<std::int64_t, std::int64_t>>;

// LLaVA's own code has width and height, transformers height and width: the published grids hold
// both.
bool is_same_grid(const std::vector<PictureSize>& own, const std::vector<PictureSize>& described) {
  Pairs wanted, as_written, turned;
  for (const PictureSize& size : described) wanted.emplace(size.height, size.width);
  for (const PictureSize& size : own) {
    as_written.emplace(size.height, size.width);
    turned.emplace(size.width, size.height);
  }
  return wanted == as_written || wanted == turned;
}

// One comparison: what would be computed in another way, and what may be of another version.
class OwnLlava {
 public:
  OwnLlava(const Json& own, const ModelConfig& described)
      : own_(own),
        described_(described),
        vision_(std::get<ClipVisionConfig>(described.vision)),
        is_tiled_(std::holds_alternative<TiledProjectionConfig>(described.projection)) {}

  void compare_features();
  void compare_tower();
  void compare_projector(std::optional<bool> two_layers);
  void compare_pictures(std::optional<bool> pads);

  const Findings& findings() const { return findings_; }
  const std::string& warnings() const { return warnings_; }

 private:
  void differs(std::string_view key, const std::string& value, const std::string& described) {
    findings_.add(std::string(key) + " is " + value + ", but " + described);
  }
  void warn(const std::string& text) { warnings_ += (warnings_.empty() ? "" : "; ") + text; }

  const ConfigSection own_;
  const ModelConfig& described_;
  const ClipVisionConfig& vision_;
  bool is_tiled_;
  Findings findings_;
  std::string warnings_;
};

void OwnLlava::compare_features() {
  if (const auto layer = own_.find("mm_vision_select_layer")) {
    const std::int64_t states = vision_.layers + 1;
    const std::int64_t index = layer->integer();
    const std::int64_t from_front = index < 0 ? index + states : index;
    if (vision_.feature_layers != std::vector{from_front}) {
      std::string described;
      for (const std::int64_t other : vision_.feature_layers) {
        described += (described.empty() ? "" : ", ") + std::to_string(other - states);
      }
      differs("mm_vision_select_layer", std::to_string(index),
              "vision_feature_layer says " + described);
    }
  }
  const std::string feature = own_.text("mm_vision_select_feature", "patch");
  if (feature == (vision_.class_row ? "cls_patch" : "patch")) return;
  differs("mm_vision_select_feature", quote(feature),
          "vision_feature_select_strategy says " +
              std::string(vision_.class_row ? "'full' (cls_patch)" : "'default' (patch)"));
}

void OwnLlava::compare_tower() {
  const std::string written = own_.text("mm_vision_tower", "");
  if (written.empty()) return;
  std::string name = fs::path(written).lexically_normal().filename().string();
  if (name.empty()) name = fs::path(written).parent_path().filename().string();
  std::ranges::transform(name, name.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  const std::string described =
      "vision_config describes a CLIP of " +
      sizes_of(vision_.layers, vision_.hidden, vision_.image_size, vision_.patch_size);
  const auto known = std::ranges::find(kTowers, name, &Tower::name);
  if (known == kTowers.end()) {
    const bool is_other = std::ranges::any_of(
        kOtherTowers, [&](std::string_view part) { return name.find(part) != name.npos; });
    if (is_other) return differs("mm_vision_tower", quote(written), described);
    return warn("mm_vision_tower is " + quote(written) + ", of which nothing is known here; " +
                described);
  }
  if (is_described_by(*known, vision_)) return;
  const std::string value =
      quote(written) + " (" +
      sizes_of(known->layers, known->hidden, known->image_size, known->patch_size) + ")";
  const auto fits = [&](const Tower& tower) { return is_described_by(tower, vision_); };
  if (std::ranges::any_of(kTowers, fits)) return differs("mm_vision_tower", value, described);
  warn("mm_vision_tower is " + value + ", but " + described);
}

void OwnLlava::compare_projector(std::optional<bool> two_layers) {
  if (!own_.find("mm_projector_type")) return;  // as of the first models; its tensors tell
  const std::string type = own_.text("mm_projector_type", "linear");
  const bool is_linear = type == "linear";
  if (!is_linear && type != "mlp2x_gelu") {
    return differs("mm_projector_type", quote(type), "only linear and mlp2x_gelu are run here");
  }
  const auto* tiled = std::get_if<TiledProjectionConfig>(&described_.projection);
  const MlpProjectionConfig& mlp =
      tiled != nullptr ? tiled->mlp : std::get<MlpProjectionConfig>(described_.projection);
  const std::optional<bool> described = mlp.two_layers ? mlp.two_layers : two_layers;
  if (described && *described == is_linear) {
    differs(
        "mm_projector_type", quote(type),
        std::string(mlp.two_layers ? "that of the checkpoint" : "the projector in the weights") +
            (is_linear ? " has two layers" : " has one layer"));
  } else if (!is_linear && mlp.activation != Activation::gelu) {
    differs("mm_projector_type", quote(type), "projector_hidden_act says another function");
  }
}

void OwnLlava::compare_pictures(std::optional<bool> pads) {
  if (own_.flag("mm_use_im_start_end", false)) {
    warn(
        "mm_use_im_start_end is true: the model knows pictures between <im_start> and <im_end>, "
        "which are in the prompt only where the instruction has them");
  }
  if (!own_.find("image_aspect_ratio")) {
    if (is_tiled_) warn("image_aspect_ratio is missing, taken for 'anyres'");
    return;
  }
  const std::string ratio = own_.text("image_aspect_ratio", "square");
  if (ratio == "anyres" && is_tiled_) {
    const std::string merge = own_.text("mm_patch_merge_type", "flat");
    if (merge != "spatial_unpad") {
      differs("mm_patch_merge_type", quote(merge), "LLaVA-NeXT of transformers is 'spatial_unpad'");
    }
    const auto grid = own_.find("image_grid_pinpoints");
    const auto& tiling = std::get<TiledProjectionConfig>(described_.projection).tiling;
    if (!grid || (grid->is_array() && is_same_grid(read_grid(grid), tiling.grid))) return;
    return differs("image_grid_pinpoints", grid->is_string() ? grid->got() : "another grid",
                   "the checkpoint's has other resolutions");
  }
  if (ratio.starts_with("anyres") || is_tiled_) {
    return differs("image_aspect_ratio", quote(ratio),
                   is_tiled_
                       ? "the checkpoint is a LLaVA-NeXT, which cuts pictures into tiles ('anyres')"
                       : "the checkpoint is a LLaVA without tiles");
  }
  if (!pads || *pads == (ratio == "pad")) return;
  warn("image_aspect_ratio is " + quote(ratio) + ", but the image processor of the checkpoint " +
       (*pads ? "pads pictures to a square (do_pad)"
              : "cuts out the middle, as those of llava-hf do; \"image_processor_type\": "
                "\"LlavaImageProcessor\" with \"do_pad\": true in preprocessor_config.json pads"));
}

// Whether pictures are padded, if the directory says anything of pictures.
std::optional<bool> pads_pictures(const fs::path& checkpoint, const ModelConfig& described) {
  const bool says = is_present(checkpoint / "preprocessor_config.json") ||
                    is_present(checkpoint / "processor_config.json");
  if (!says) return std::nullopt;
  return read_image_config(checkpoint, described.image_processor).pad_to_square;
}

}  // namespace

bool is_own_llava(const Json& config) {
  if (!config.is_object()) return false;
  if (config.contains("text_config") || config.contains("vision_config")) return false;
  const std::string type = ConfigSection(config).text("model_type", "");
  if (type == "llava_llama" || type == "llava_mistral") return true;
  // Which the configs of transformers may carry too.
  constexpr std::string_view kShared = "mm_projector_type";
  return std::ranges::any_of(config.keys(), [&](const std::string& key) {
    return key.starts_with("mm_") && key != kShared;
  });
}

bool is_own_llava(const fs::path& folder) {
  return is_present(folder / "config.json") && is_own_llava(Json::read(folder / "config.json"));
}

std::string own_llava_language(const std::string& model_type) {
  constexpr std::string_view kBegin = "llava_";
  return model_type.starts_with(kBegin) ? model_type.substr(kBegin.size()) : "llama";
}

void check_own_llava(const fs::path& folder, const fs::path& checkpoint,
                     const ModelConfig& described, std::optional<bool> two_layers) {
  const Json own = Json::read(folder / "config.json");
  OwnLlava comparison(own, described);
  comparison.compare_features();
  comparison.compare_tower();
  comparison.compare_projector(two_layers);
  comparison.compare_pictures(pads_pictures(checkpoint, described));
  comparison.findings().throw_if_any(
      ErrorCode::bad_model,
      own.where() + ": not the LLaVA that " + printable((checkpoint / "config.json").string()) +
          " describes",
      "give the directory of transformers for this very model as the checkpoint (--model)");
  if (!comparison.warnings().empty()) log_warning(own.where() + ": " + comparison.warnings());
}

}  // namespace instructblip
