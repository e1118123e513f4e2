#include "checkpoint/model_config.h"

#include <array>
#include <system_error>

#include "checkpoint/config_section.h"
#include "checkpoint/model_families.h"
#include "core/errors.h"
#include "core/file.h"
#include "core/json.h"

namespace instructblip {
namespace {

struct Family {
  std::string_view model_type;
  ModelConfig (*read)(const Json& root, const std::filesystem::path& directory);
};

constexpr std::array<Family, 5> kFamilies = {{
    {"instructblip", read_instructblip},
    {"instructblipvideo", read_instructblip_video},
    {"blip-2", read_blip2},
    {"llava", read_llava},
    {"llava_next", read_llava_next},
}};

// Directories that are easily taken for a whole model.
std::string hint_for(const std::string& model_type) {
  if (model_type == "llama" || model_type == "t5" || model_type == "opt") {
    return "this is a language model alone; give the directory of the whole model";
  }
  return {};
}

}  // namespace

Json read_config_file(const std::filesystem::path& directory) {
  const std::string shown = printable(directory.string());
  const std::string hint =
      "give the directory of a Hugging Face checkpoint: config.json, *.safetensors, tokenizers";
  std::error_code ignored;
  if (!std::filesystem::is_directory(directory, ignored)) {
    if (!is_present(directory)) {
      throw Error(ErrorCode::not_found, shown + ": no such directory", hint);
    }
    throw Error(ErrorCode::bad_model, shown + ": expected a directory, got a file",
                hint + "; a file of weights is laid over one (--overlay)");
  }
  if (is_present(directory / "adapter_config.json") && !is_present(directory / "config.json")) {
    throw Error(ErrorCode::bad_model, shown + ": a LoRA adapter, expected the model that it is for",
                "give the model's directory, and this one as an adapter (--lora)");
  }
  if (!is_present(directory / "config.json")) {
    throw Error(ErrorCode::not_found, shown + ": no config.json in this directory", hint);
  }
  return Json::read(directory / "config.json");
}

ModelConfig read_model_config(const std::filesystem::path& directory) {
  const Json root = read_config_file(directory);
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
