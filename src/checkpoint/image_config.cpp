#include "checkpoint/image_config.h"

#include <algorithm>
#include <optional>
#include <system_error>

#include "core/errors.h"
#include "core/file.h"
#include "core/json.h"
#include "core/limits.h"

namespace instructblip {
namespace {

namespace fs = std::filesystem;

constexpr int kBicubic = 3;  // PIL.Image.Resampling.BICUBIC

// A number for both sides (old files), [height, width], or {"height": h, "width": w}.
void read_size(const Json& settings, ImageConfig& config) {
  const auto size = settings.find("size");
  if (!size) return;
  if (size->is_integer()) {
    config.height = config.width = size->integer(1, limits::kImageSide);
  } else if (size->is_array()) {
    if (size->size() != 2) size->fail("[height, width]");
    config.height = (*size)[0].integer(1, limits::kImageSide);
    config.width = (*size)[1].integer(1, limits::kImageSide);
  } else {
    if (!size->is_object()) size->fail("an integer or an object with height and width");
    config.height = size->at("height").integer(1, limits::kImageSide);
    config.width = size->at("width").integer(1, limits::kImageSide);
  }
  if (config.height * config.width > limits::kImagePixels) {
    size->fail("at most " + std::to_string(limits::kImagePixels) + " pixels");
  }
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

// As the reference does for either file: the object `image_processor`, where there is one, else the
// whole document.
Json settings_of(const Json& document) {
  const auto inner = document.find("image_processor");
  if (inner && !inner->is_object()) inner->fail("an object");
  return inner.value_or(document);
}

Json read_settings(const fs::path& directory) {
  for (const char* name : {"preprocessor_config.json", "processor_config.json"}) {
    if (is_present(directory / name)) return settings_of(Json::read(directory / name));
  }
  throw Error(ErrorCode::not_found,
              printable(directory.string()) +
                  ": expected preprocessor_config.json or processor_config.json, found neither",
              "copy the preprocessor files beside config.json");
}

}  // namespace

ImageConfig read_image_config(const fs::path& directory) {
  const Json settings = read_settings(directory);
  ImageConfig config;
  config.convert_rgb = settings.boolean_or("do_convert_rgb", config.convert_rgb);
  config.resize = settings.boolean_or("do_resize", config.resize);
  read_size(settings, config);
  check_filter(settings);
  config.rescale = settings.boolean_or("do_rescale", config.rescale);
  config.rescale_factor = settings.number_or("rescale_factor", config.rescale_factor);
  config.normalize = settings.boolean_or("do_normalize", config.normalize);
  config.mean = read_channels(settings, "image_mean", config.mean);
  config.std = read_channels(settings, "image_std", config.std);
  if (*std::min_element(config.std.begin(), config.std.end()) <= 0.0) {
    settings.at("image_std").fail("numbers above 0");
  }
  return config;
}

}  // namespace instructblip
