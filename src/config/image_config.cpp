#include "config/image_config.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "config/tiling_config.h"
#include "core/errors.h"
#include "core/file.h"
#include "core/json.h"
#include "core/limits.h"
#include "core/log.h"

namespace instructblip {
namespace {

namespace fs = std::filesystem;

constexpr const char* kCopy =
    "copy the preprocessor files of this very checkpoint beside config.json";
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

constexpr const char* kTypeKey = "image_processor_type";

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

// What the shorter side or both become, both where `square`, and the middle that is cut out of it.
void read_sides(const Json& settings, bool square, ImageConfig& config) {
  constexpr std::int64_t kSide = 224;
  Size resized = {kSide, kSide};
  config.shortest_edge = kSide;
  if (const auto size = settings.find("size")) {
    config.shortest_edge = read_shortest_edge(*size);
    const std::int64_t edge = config.shortest_edge;
    resized = edge > 0 ? Size{edge, edge} : read_size(*size);
    check_area(*size, resized);
  }
  if (square) config.shortest_edge = 0;
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

// transformers/models/clip/image_processing_clip.py and its fast one, each with a key of its own
// for squares.
void read_clip_geometry(const Json& settings, ImageConfig& config) {
  const bool is_fast = settings.string_or(kTypeKey, "").ends_with("Fast");
  const auto size = settings.find("size");
  const bool square = is_fast
                          ? size && size->is_integer() && flag(settings, "default_to_square", false)
                          : flag(settings, "use_square_size", false);
  read_sides(settings, square, config);
}

void read_llava_geometry(const Json& settings, ImageConfig& config) {
  read_sides(settings, /*square=*/false, config);
}

// InstructBlipVideoVideoProcessor's: it can do all that CLIP's can, and leaves most of it out.
void read_video_geometry(const Json& settings, ImageConfig& config) {
  Size size = {config.height, config.width};
  if (const auto value = settings.find("size")) {
    const bool square = flag(settings, "default_to_square", true);
    if (!value->is_integer() || !square) config.shortest_edge = read_shortest_edge(*value);
    const std::int64_t edge = config.shortest_edge;
    size = edge > 0 ? Size{edge, edge} : read_size(*value);
    check_area(*value, size);
  }
  config.center_crop = flag(settings, "do_center_crop", false);
  if (config.center_crop) {
    if (config.shortest_edge == 0) {
      config.resized_height = size.height;
      config.resized_width = size.width;
    }
    size = read_size(settings.at("crop_size"));
  }
  config.height = size.height;
  config.width = size.width;
}

// The evenly spread frames that are left of a video; 0 where none is left out.
std::int64_t read_picked_frames(const Json& settings) {
  if (!flag(settings, "do_sample_frames", false)) return 0;
  const auto count = settings.find("num_frames");
  if (count && !settings.find("fps")) return count->integer(1, limits::kSize);
  throw Error(ErrorCode::unsupported,
              settings.where("do_sample_frames") +
                  ": expected num_frames and no fps, as single frames have no rate",
              "set do_sample_frames to false to be asked about the frames that are given");
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
     {"LlavaImageProcessor", read_llava_geometry, /*pads=*/true},
     {"LlavaNextImageProcessor", read_llava_geometry, /*pads=*/false, /*tiles=*/true}}};
constexpr Kind kVideo = {"InstructBlipVideoVideoProcessor", read_video_geometry};
constexpr const Kind& kBlip = kKinds[0];
constexpr const Kind& kLlava = kKinds[2];
constexpr const Kind& kLlavaNext = kKinds[3];

// transformers/models/auto/image_processing_auto.py: image_processor_type, else the name that
// feature extractors had for it, else the class that goes with the model.
const Kind& kind_named_by(const Json& settings, bool tiles) {
  std::string key = kTypeKey;
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

std::string_view object_name(bool of_video) {
  return of_video ? "video_processor" : "image_processor";
}

// The object for its processor in a file that holds one, else the whole document.
Json settings_of(const Json& document, bool of_video) {
  const auto inner = document.find(object_name(of_video));
  if (inner && !inner->is_object()) inner->fail("an object");
  return inner.value_or(document);
}

bool says_anything(const Json& settings) {
  constexpr std::array<std::string_view, 7> kKeys = {
      "crop_size", "do_normalize", "do_resize", "image_mean", kTypeKey, "resample", "size"};
  return std::ranges::any_of(kKeys, [&](std::string_view key) { return settings.contains(key); });
}

struct Settings {
  Json json;
  bool is_default;  // a file that has none of them
};

// Transformers 4 takes the first file that is there, transformers 5 an object of
// processor_config.json before all files.
Settings read_settings(const fs::path& directory, const ImageProcessorRules& rules) {
  const bool of_video = rules.of_video;
  constexpr const char* kLast = "processor_config.json";
  std::vector<std::string> names = {"preprocessor_config.json", kLast};
  if (of_video) names.insert(names.begin(), "video_preprocessor_config.json");
  if (rules.transformers_5 && is_present(directory / kLast)) {
    const Json whole = Json::read(directory / kLast);
    if (whole.find(object_name(of_video))) return {settings_of(whole, of_video), false};
  }
  for (const std::string& name : names) {
    if (!is_present(directory / name)) continue;
    const Json whole = Json::read(directory / name);
    const Json settings = settings_of(whole, of_video);
    return {settings, name == kLast && !says_anything(settings)};
  }
  throw Error(ErrorCode::not_found,
              printable(directory.string()) +
                  ": expected preprocessor_config.json or processor_config.json, found neither",
              kCopy);
}

// transformers/models/auto/video_processing_auto.py.
void check_video_processor(const Json& settings) {
  constexpr std::string_view kKey = "video_processor_type";
  const auto named = settings.find(kKey);
  if (!named || named->string() == kVideo.name) return;
  throw Error(ErrorCode::unsupported, settings.where(kKey) + ": video processor " + named->got() +
                                          ", expected " + std::string(kVideo.name));
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

[[noreturn]] void fail_without_tiles(const fs::path& directory) {
  throw Error(
      ErrorCode::not_found,
      printable((directory / "preprocessor_config.json").string()) +
          ": no such file, expected the settings of pictures: processor_config.json has none",
      kCopy);
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

const Kind& kind_of(const Json& settings, const ImageProcessorRules& rules) {
  if (rules.of_video) {
    check_video_processor(settings);
    return kVideo;
  }
  return rules.named_by_file ? kind_named_by(settings, rules.tiling.has_value()) : kBlip;
}

// What transformers 4.57.3 does where nobody says use_fast: video processors know nothing else, and
// where the file names the class it may name the fast one. Of transformers 5, whose classes bear
// other names, the reference is the one with Pillow.
bool computes_with_torchvision(const Json& settings, const ImageProcessorRules& rules) {
  if (rules.of_video) return true;
  return rules.named_by_file && !rules.transformers_5 &&
         settings.string_or(kTypeKey, "").ends_with("Fast");
}

}  // namespace

ImageConfig read_image_config(const fs::path& directory, const ImageProcessorRules& rules) {
  const auto [settings, is_default] = read_settings(directory, rules);
  if (is_default) {
    log_warning(printable(directory.string()) +
                ": no preprocessor_config.json: pictures are made by the defaults of the image "
                "processor's class, as in transformers");
  }
  const Kind& kind = kind_of(settings, rules);
  ImageConfig config;
  config.is_default = is_default;
  config.by_torchvision = computes_with_torchvision(settings, rules);
  config.three_rows_are_channels = rules.of_video || !rules.transformers_5;
  config.one_row_is_a_channel = rules.of_video;
  if (rules.of_video) config.picked_frames = read_picked_frames(settings);
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
  if (kind.tiles) {
    if (is_default) fail_without_tiles(directory);
    read_tiles(settings, rules, config);
  }
  config.pad_to_square = kind.pads && read_padding(settings, config);
  return config;
}

}  // namespace instructblip
