// What options set: the structs of the public headers, and what a program reads itself.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "instructblip/benchmark.h"
#include "instructblip/checkpoint.h"
#include "instructblip/generation.h"
#include "instructblip/image.h"
#include "instructblip/pipeline.h"
#include "instructblip/quantization.h"
#include "instructblip/video.h"

namespace instructblip::options {

// The value of one --image, --images-from or --video.
struct PictureSource {
  enum class Kind { picture, list, video };
  Kind kind;
  std::string value;
};

// What the tasks of the paper take, and the commands about many requests.
struct TaskSettings {
  std::vector<std::string> questions, answers, ocr_tokens;
  std::vector<std::pair<std::string, std::string>> spellings;  // a candidate, another word for it
  std::optional<int> number;                                   // number of a template
  std::optional<std::string> preset, qformer_text, language;
  std::string html, overlays, save, restore, input, recipe, data;  // files and folders
  bool resume = false;
  bool gradcam = false;  // tokens are explained by gradients
};

struct Settings {
  std::string model;
  std::vector<PictureSource> pictures;  // in the order in which they were given
  std::vector<std::string> features;
  std::vector<std::string> instructions;
  std::vector<std::string> texts;
  std::vector<std::string> candidates;
  RankOptions rank;
  TaskSettings task;
  std::string output;
  GenerationConfig generation;
  LoadOptions load;
  ConvertOptions convert;
  QuantizeOptions quantize;
  ImageOptions decode;
  VideoOptions video;  // but for its limits, which are those of `decode`
  BenchmarkOptions bench;
  std::string compare;  // a file
  bool keep_going = false;
  std::optional<bool> names;
  bool json = false;
  bool tensors = false;
  bool quiet = false;
  bool verbose = false;
};

// How options and JSON spell a value of the public interface.
std::string_view name_of(ResizeMode mode);
std::string_view name_of(ExifOrientation exif);
std::string_view name_of(AlphaBackground background);

}  // namespace instructblip::options
