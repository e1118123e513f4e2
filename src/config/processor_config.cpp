#include "config/processor_config.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "core/errors.h"
#include "core/file.h"
#include "core/json.h"
#include "core/limits.h"
#include "core/log.h"

namespace instructblip {
namespace {

namespace fs = std::filesystem;

constexpr const char* kProcessor = "processor_config.json";
constexpr const char* kTokenizer = "tokenizer_config.json";

// None where there is no such file, or no object in it, which its reader says.
std::optional<Json> read_object(const fs::path& directory, const char* name) {
  if (!is_present(directory / name)) return std::nullopt;
  Json json = Json::read(directory / name);
  return json.is_object() ? std::optional(std::move(json)) : std::nullopt;
}

[[noreturn]] void contradicts(const Json& file, std::string_view key, const std::string& value,
                              const std::string& described) {
  throw Error(
      ErrorCode::bad_model, file.where(key) + ": " + value + ", but config.json says " + described,
      "are files of two checkpoints in this directory? The reference's processor would write "
      "another number of places for a picture than the model fills");
}

void check_queries(const Json& processor, std::int64_t queries) {
  const auto count = processor.find("num_query_tokens");
  if (!count || count->integer() == queries) return;
  contradicts(processor, "num_query_tokens", count->got(), std::to_string(queries));
}

// LlavaProcessor's and LlavaNextProcessor's: patches of the pixels, and rows besides.
void check_patches(const Json& processor, const ClipVisionConfig& vision,
                   const ImageConfig& pixels) {
  const auto patches = [&](std::int64_t side) {
    return (pixels.height / side) * (pixels.width / side);
  };
  const auto side = processor.find("patch_size");
  if (side && patches(side->integer(1, limits::kSize)) != patches(vision.patch_size)) {
    contradicts(processor, "patch_size", side->got(), std::to_string(vision.patch_size));
  }
  const auto strategy = processor.find("vision_feature_select_strategy");
  const std::string described = vision.class_row ? "full" : "default";
  const bool is_default = strategy && strategy->string() == "default";
  constexpr const char* kAdditional = "num_additional_image_tokens";
  const auto additional = processor.find(kAdditional);
  const std::int64_t rows = additional ? additional->integer() : 0;
  if (rows - (is_default ? 1 : 0) == (vision.class_row ? 1 : 0)) return;
  // A release that did not know the other key wrote this one alone.
  if (!additional && (!strategy || strategy->string() == described)) return;
  if (strategy && strategy->string() != described) {
    contradicts(processor, "vision_feature_select_strategy", strategy->got(), quote(described));
  }
  contradicts(processor, kAdditional, std::to_string(rows),
              quote(described) + " in vision_feature_select_strategy, which goes with 1");
}

void check_marker(const Json& file, std::string_view key, const std::string& marker) {
  const auto text = file.find(key);
  if (!text || !text->is_string() || text->string() == marker) return;
  throw Error(ErrorCode::unsupported, text->where() + ": " + text->got() +
                                          " stands for a picture, expected " + quote(marker));
}

// With another size the reference fails as well.
void check_default_size(const fs::path& directory, const ImageConfig& pixels,
                        std::int64_t image_size) {
  if (!pixels.is_default || (pixels.height == image_size && pixels.width == image_size)) return;
  throw Error(ErrorCode::not_found,
              printable((directory / "preprocessor_config.json").string()) +
                  ": no such file, expected the settings of pictures: processor_config.json has " +
                  "none, and by default they are of " + std::to_string(pixels.height) + " x " +
                  std::to_string(pixels.width) + " pixels, not " + std::to_string(image_size) +
                  " x " + std::to_string(image_size) + " (config.json: vision_config.image_size)",
              "copy the preprocessor files of this very checkpoint beside config.json");
}

// The order in which AutoProcessor looks for its class.
void warn_of_other_class(const fs::path& directory, const std::string& model_type) {
  struct Family {
    std::string_view model_type, processor;
  };
  constexpr std::array<Family, 5> kFamilies = {{{"blip-2", "Blip2Processor"},
                                                {"instructblip", "InstructBlipProcessor"},
                                                {"instructblipvideo", "InstructBlipVideoProcessor"},
                                                {"llava", "LlavaProcessor"},
                                                {"llava_next", "LlavaNextProcessor"}}};
  const auto family = std::ranges::find(kFamilies, model_type, &Family::model_type);
  if (family == kFamilies.end()) return;
  for (const char* name : {kProcessor, "preprocessor_config.json", kTokenizer}) {
    const auto file = read_object(directory, name);
    const auto named = file ? file->find("processor_class") : std::nullopt;
    if (!named || !named->is_string()) continue;
    if (named->string() != family->processor) {
      log_warning(named->where() + ": " + named->got() + ", which AutoProcessor of transformers " +
                  "would take; here requests are prepared as by " + std::string(family->processor));
    }
    return;
  }
}

}  // namespace

void check_processor_config(const fs::path& directory, const ModelConfig& config,
                            const ImageConfig& pixels) {
  check_default_size(
      directory, pixels,
      std::visit([](const auto& vision) { return vision.image_size; }, config.vision));
  const std::string& marker = config.prompt.image_marker;
  const char* const key = config.prompt.pictures_are_frames ? "video_token" : "image_token";
  if (const auto processor = read_object(directory, kProcessor)) {
    if (config.qformer) {
      check_queries(*processor, config.qformer->queries);
    } else if (const auto* vision = std::get_if<ClipVisionConfig>(&config.vision)) {
      check_patches(*processor, *vision, pixels);
      check_marker(*processor, key, marker);
    }
  }
  if (const auto tokenizer = read_object(directory, kTokenizer)) {
    const auto extra = tokenizer->find("extra_special_tokens");
    if (extra && extra->is_object()) check_marker(*extra, key, marker);
  }
  warn_of_other_class(directory, config.model_type);
}

void check_processor_config(const fs::path& directory, const RetrievalConfig& config,
                            const ImageConfig& pixels) {
  check_default_size(directory, pixels, config.vision.image_size);
  const auto processor = read_object(directory, kProcessor);
  if (processor) check_queries(*processor, config.qformer.queries);
}

}  // namespace instructblip
