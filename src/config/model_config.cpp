#include "config/model_config.h"

#include <algorithm>
#include <array>
#include <system_error>

#include "checkpoint/folder_contents.h"
#include "config/config_section.h"
#include "config/model_families.h"
#include "config/own_llava.h"
#include "core/errors.h"
#include "core/file.h"
#include "core/foreign_file.h"
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

// LLaVA's own code has types of its own, and a config.json without sections.
void refuse_own_llava(const Json& root, const std::string& model_type,
                      const std::filesystem::path& directory) {
  if (!model_type.starts_with("llava") || !is_own_llava(root)) return;
  const std::string language = own_llava_language(model_type);
  if (language != "llama" && language != "mistral") {
    throw Error(ErrorCode::unsupported,
                root.where() + ": model_type: " + quote(model_type) +
                    " of LLaVA's own code, with a language model that is not run here, expected "
                    "LLaMA or Mistral");
  }
  std::string hint =
      "give the directory of transformers for the same model (llava-1.5-7b-hf for llava-v1.5-7b, "
      "llava-v1.6-mistral-7b-hf for llava-v1.6-mistral-7b, ...) and lay the weights of this one "
      "over "
      "it: --overlay " +
      printable(directory.string());
  if (has_adapter(directory)) {
    const Json adapter = Json::read(directory / "adapter_config.json");
    hint =
        "give the directory of transformers for the same model (llava-1.5-7b-hf, ...), in it the "
        "weights that the adapter is for, " +
        quote(adapter.string_or("base_model_name_or_path", "")) +
        " (--language-model or --overlay), and this one as an adapter: --lora " +
        printable(directory.string());
  }
  throw Error(ErrorCode::unsupported,
              root.where() + ": model_type: " + quote(model_type) +
                  " of LLaVA's own code, expected a checkpoint of transformers",
              hint);
}

// Directories that are easily taken for a whole model.
std::string hint_for(const std::string& model_type) {
  constexpr std::array<std::string_view, 5> kLanguageModels = {"llama", "mistral", "mt5", "opt",
                                                               "t5"};
  if (std::ranges::find(kLanguageModels, model_type) != kLanguageModels.end()) {
    return "this is a language model alone; give the directory of the whole model";
  }
  return {};
}

}  // namespace

Json read_config_file(const std::filesystem::path& directory) {
  const std::string shown = printable(directory.string());
  const std::string hint =
      "give the directory of a Hugging Face checkpoint: config.json, *.safetensors, tokenizers";
  if (!is_folder(directory)) {
    if (!is_present(directory)) {
      throw Error(ErrorCode::not_found, shown + ": no such directory", hint);
    }
    refuse_foreign(recognise_foreign_file(directory), directory.string(), "a directory");
    throw Error(ErrorCode::bad_model, shown + ": expected a directory, got a file",
                hint + "; a file of weights is laid over one (--overlay)");
  }
  if (has_adapter(directory) && !is_present(directory / "config.json")) {
    fail_for_adapter(directory, "a whole model");
  }
  if (!is_present(directory / "config.json")) {
    const FolderKind kind = kind_of_folder(directory);
    throw Error(ErrorCode::not_found,
                shown + ": no config.json in this directory" +
                    (kind.what.empty() ? "" : " (" + kind.what + ")"),
                kind.hint.empty() ? hint : kind.hint);
  }
  return Json::read(directory / "config.json");
}

ModelConfig read_model_config(const std::filesystem::path& directory) {
  const Json root = read_config_file(directory);
  const ConfigSection top(root);
  const std::string model_type = top.text("model_type", "");
  refuse_own_llava(root, model_type, directory);
  // Trainers put the model's config.json beside its adapter.
  if (has_adapter(directory) && !TensorStore::has_weights(directory)) {
    fail_for_adapter(directory, "a whole model");
  }
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
