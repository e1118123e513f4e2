#include "checkpoint/image_config.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "checkpoint/tiling_config.h"
#include "core/errors.h"
#include "core/file.h"
#include "core/json.h"
#include "core/limits.h"

namespace instructblip {
namespace {

namespace fs = std::filesystem;

constexpr int kBicubic = 3;  // PIL.Image.Resampling.BICUBIC

// Null switches a step off, as it does in the reference; a key that is missing leaves the default.
bool flag(const Json& settings, std::string_view key, bool fallback) {
  return settings.boolean_or(key, !settings.contains(key) && fallback);
}

struct Size {
  std::int64_t height, width;
};

void check_area(const Json& value, const Size& size) {
  if (size.height * size.width > limits::kImagePixels) {
    value.fail("at most " + std::to_string(limits::kImagePixels) + " pixels");
  }
}

// A number for both sides (old files), [height, width], or {"height": h, "width": w}.
Size read_size(const Json& value) {
  Size size{};
  if (value.is_integer()) {
    size.height = size.width = value.integer(1, limits::kImageSide);
  } else if (value.is_array()) {
    if (value.size() != 2) value.fail("[height, width]");
    size = {value[0].integer(1, limits::kImageSide), value[1].integer(1, limits::kImageSide)};
  } else {
    if (!value.is_object()) value.fail("an integer or an object with height and width");
    size = {value.at("height").integer(1, limits::kImageSide),
            value.at("width").integer(1, limits::kImageSide)};
  }
  check_area(value, size);
  return size;
}

void read_blip_geometry(const Json& settings, ImageConfig& config) {
  const auto value = settings.find("size");
  if (!value) return;
  const Size size = read_size(*value);
  config.height = size.height;
  config.width = size.width;
}

// The length of the shorter side, which a bare number means too; 0 where both sides are given.
std::int64_t read_shortest_edge(const Json& value) {
  if (value.is_integer()) return value.integer(1, limits::kImageSide);
  const auto edge = value.is_object() ? value.find("shortest_edge") : std::nullopt;
  if (!edge) return 0;
  for (const char* other : {"longest_edge", "height", "width"}) {
    if (!value.contains(other)) continue;
    throw Error(ErrorCode::unsupported,
                value.where(other) + ": expected none beside shortest_edge");
  }
  return edge->integer(1, limits::kImageSide);
}

// CLIP's: what the shorter side or both become, and the middle that is cut out of it.
void read_clip_geometry(const Json& settings, ImageConfig& config) {
  constexpr std::int64_t kSide = 224;
  Size resized = {kSide, kSide};
  config.shortest_edge = kSide;
  if (const auto size = settings.find("size")) {
    config.shortest_edge = read_shortest_edge(*size);
    const std::int64_t edge = config.shortest_edge;
    resized = edge > 0 ? Size{edge, edge} : read_size(*size);
    check_area(*size, resized);
  }
  config.center_crop = flag(settings, "do_center_crop", true);
  Size final_size = resized;
  if (config.center_crop) {
    const auto crop = settings.find("crop_size");
    final_size = crop ? read_size(*crop) : Size{kSide, kSide};
    if (config.shortest_edge == 0) {
      config.resized_height = resized.height;
      config.resized_width = resized.width;
    }
  }
  config.height = final_size.height;
  config.width = final_size.width;
}

struct Kind {
  std::string_view name;  // without "Fast", which says how and not what
  void (*read_geometry)(const Json& settings, ImageConfig& config);
  bool pads = false;
  bool tiles = false;
};

constexpr std::array<Kind, 4> kKinds = {
    {{"BlipImageProcessor", read_blip_geometry},
     {"CLIPImageProcessor", read_clip_geometry},
     {"LlavaImageProcessor", read_clip_geometry, /*pads=*/true},
     {"LlavaNextImageProcessor", read_clip_geometry, /*pads=*/false, /*tiles=*/true}}};
constexpr const Kind& kBlip = kKinds[0];
constexpr const Kind& kLlava = kKinds[2];
constexpr const Kind& kLlavaNext = kKinds[3];

// transformers/models/auto/image_processing_auto.py: image_processor_type, else the name that
// feature extractors had for it, else the class that goes with the model.
const Kind& kind_named_by(const Json& settings, bool tiles) {
  std::string key = "image_processor_type";
  std::string name = settings.string_or(key, "");
  if (!settings.find(key)) {
    key = "feature_extractor_type";
    if (!settings.find(key)) return tiles ? kLlavaNext : kLlava;
    name = settings.at(key).string();
    const std::string old = "FeatureExtractor";
    if (const auto at = name.find(old); at != std::string::npos) {
      name.replace(at, old.size(), "ImageProcessor");
    }
  }
  if (name.ends_with("Fast")) name.resize(name.size() - 4);
  std::string known;
  for (const Kind& kind : kKinds) {
    if (kind.tiles != tiles) continue;
    if (kind.name == name) return kind;
    known += (known.empty() ? "" : ", ") + std::string(kind.name);
  }
  throw Error(ErrorCode::unsupported, settings.where(key) + ": image processor " +
                                          settings.at(key).got() + ", expected one of " + known);
}

// One number a channel, or one for all.
std::array<double, 3> read_channels(const Json& settings, std::string_view key,
                                    const std::array<double, 3>& fallback) {
  const auto value = settings.find(key);
  if (!value) return fallback;
  if (value->is_number()) return {value->number(), value->number(), value->number()};
  if (!value->is_array() || value->size() != 3) value->fail("a number or an array of 3");
  const std::vector<double> numbers = value->numbers();
  return {numbers[0], numbers[1], numbers[2]};
}

// The filter that the reference takes for null is bilinear, which is not the default.
void check_filter(const Json& settings) {
  if (!settings.contains("resample")) return;
  const auto filter = settings.find("resample");
  if (filter && filter->integer(0, 5) == kBicubic) return;
  throw Error(ErrorCode::unsupported, settings.where("resample") + ": filter " +
                                          (filter ? filter->got() : "null (bilinear)") +
                                          ", expected 3 (bicubic)");
}

// As the reference does for each file: the object for its processor, where there is one, else the
// whole document.
Json settings_of(const Json& document, bool of_video) {
  auto inner = of_video ? document.find("video_processor") : std::nullopt;
  if (!inner) inner = document.find("image_processor");
  if (inner && !inner->is_object()) inner->fail("an object");
  return inner.value_or(document);
}

Json read_settings(const fs::path& directory, bool of_video) {
  std::vector<std::string> names = {"preprocessor_config.json", "processor_config.json"};
  if (of_video) names.insert(names.begin(), "video_preprocessor_config.json");
  for (const std::string& name : names) {
    if (is_present(directory / name)) return settings_of(Json::read(directory / name), of_video);
  }
  throw Error(ErrorCode::not_found,
              printable(directory.string()) +
                  ": expected preprocessor_config.json or processor_config.json, found neither",
              "copy the preprocessor files beside config.json");
}

// LlavaImageProcessor's padding has the colour of the mean as a byte.
bool read_padding(const Json& settings, const ImageConfig& config) {
  if (!flag(settings, "do_pad", false)) return false;
  const auto [least, greatest] = std::minmax_element(config.mean.begin(), config.mean.end());
  if (*least < 0.0 || *greatest > 1.0) {
    settings.at("image_mean").fail("numbers from 0 to 1, as do_pad makes a colour of them");
  }
  return true;
}

// LlavaNextImageProcessor's: the tiles have to be those that the model puts together.
void read_tiles(const Json& settings, const ImageProcessorRules& rules, ImageConfig& config) {
  config.grid = read_grid(settings.find("image_grid_pinpoints"));
  if (config.grid != rules.tiling->grid) {
    throw Error(ErrorCode::bad_model, settings.where("image_grid_pinpoints") +
                                          ": expected the same resolutions in the same order as "
                                          "in config.json");
  }
  constexpr std::int64_t kSide = 224;
  const auto crop = settings.find("crop_size");
  config.tile_side = crop ? read_size(*crop).height : kSide;
  if (config.tile_side != rules.tiling->side) {
    throw Error(ErrorCode::bad_model, settings.where("crop_size") + ": tiles of " +
                                          std::to_string(config.tile_side) +
                                          " pixels, expected vision_config.image_size " +
                                          std::to_string(rules.tiling->side));
  }
  config.whole = {kSide, kSide};
  config.whole_is_square = !rules.transformers_5;
  const auto size = settings.find("size");
  if (!size) return;
  const std::int64_t edge = read_shortest_edge(*size);
  const Size sides = edge > 0 ? Size{edge, edge} : read_size(*size);
  config.whole = {sides.height, sides.width};
}

}  // namespace

ImageConfig read_image_config(const fs::path& directory, const ImageProcessorRules& rules) {
  const Json settings = read_settings(directory, rules.of_video);
  const bool tiles = rules.tiling.has_value();
  const Kind& kind = rules.named_by_file ? kind_named_by(settings, tiles) : kBlip;
  ImageConfig config;
  config.three_rows_are_channels = !rules.transformers_5;
  config.convert_rgb = flag(settings, "do_convert_rgb", config.convert_rgb);
  config.resize = flag(settings, "do_resize", config.resize);
  kind.read_geometry(settings, config);
  check_filter(settings);
  config.rescale = flag(settings, "do_rescale", config.rescale);
  config.rescale_factor = settings.number_or("rescale_factor", config.rescale_factor);
  config.normalize = flag(settings, "do_normalize", config.normalize);
  config.mean = read_channels(settings, "image_mean", config.mean);
  config.std = read_channels(settings, "image_std", config.std);
  if (*std::min_element(config.std.begin(), config.std.end()) <= 0.0) {
    settings.at("image_std").fail("numbers above 0");
  }
  if (kind.tiles) read_tiles(settings, rules, config);
  config.pad_to_square = kind.pads && read_padding(settings, config);
  return config;
}

}  // namespace instructblip
