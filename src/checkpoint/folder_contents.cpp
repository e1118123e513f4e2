#include "checkpoint/folder_contents.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <functional>
#include <span>
#include <system_error>

#include "core/errors.h"
#include "core/file.h"
#include "core/json.h"

namespace instructblip {
namespace {

namespace fs = std::filesystem;

using Names = std::vector<std::string>;

bool begins_with_any(std::string_view name, std::span<const std::string_view> beginnings) {
  return std::ranges::any_of(beginnings,
                             [&](std::string_view begin) { return name.starts_with(begin); });
}

bool ends_with_any(std::string_view name, std::span<const std::string_view> ends) {
  return std::ranges::any_of(ends, [&](std::string_view end) { return name.ends_with(end); });
}

// transformers' Trainer, accelerate, peft, DeepSpeed; the last one OpenVINO.
constexpr std::string_view kNoWeightsBeginnings[] = {
    "training_args.", "optimizer",     "scheduler",      "scaler",        "rng_state", "sampler",
    "random_states_", "dl_state_dict", "adapter_model.", "zero_pp_rank_", "openvino_"};
constexpr std::string_view kNoWeightsEnds[] = {"_optim_states.pt"};

// Browsers, wget, aria2, the hub's client and rclone.
constexpr std::string_view kUnfinished[] = {".incomplete",  ".part",    ".crdownload", ".aria2",
                                            ".download",    ".partial", ".opdownload", ".filepart",
                                            ".aria2__temp", ".!ut"};

// The first name for which it holds.
std::string first(const Names& names, const std::function<bool(std::string_view)>& holds) {
  const auto found = std::ranges::find_if(names, holds);
  return found == names.end() ? std::string() : *found;
}

std::string shown(const fs::path& path) { return printable(path.string()); }

FolderKind unfinished_download(const fs::path& folder, const Names& names) {
  const auto is_part = [](std::string_view name) { return ends_with_any(name, kUnfinished); };
  std::string found = first(names, is_part);
  if (found.empty()) {
    const std::string_view cache = ".cache/huggingface/download";
    found = first(names_in(folder / cache), is_part);
    if (!found.empty()) found = std::string(cache) + "/" + found;
  }
  if (found.empty()) return {};
  return {"a download that has not ended: " + quote(found),
          "start the download once more: it goes on where it stopped"};
}

FolderKind shards_of_training(const fs::path& folder, const Names& names) {
  const std::string zero = first(names, [&](std::string_view name) {
    return name.ends_with("_optim_states.pt") || name.ends_with("_model_states.pt") ||
           name == "zero_to_fp32.py" ||
           (name.starts_with("global_step") && is_folder(folder / name));
  });
  if (!zero.empty()) {
    return {"shards of DeepSpeed's training: " + quote(zero),
            "put them together with the zero_to_fp32.py that lies beside them, and lay what it "
            "writes over the model (--overlay)"};
  }
  const auto is_distributed = [](std::string_view name) { return name.ends_with(".distcp"); };
  std::string fsdp = first(names, is_distributed);
  for (const std::string& name : names) {
    if (!fsdp.empty() || !is_folder(folder / name)) continue;
    const std::string inner = first(names_in(folder / name), is_distributed);
    if (!inner.empty()) fsdp = name + "/" + inner;
  }
  if (fsdp.empty()) return {};
  return {"shards of a distributed training (FSDP): " + quote(fsdp),
          "put them together with 'accelerate merge-weights', and lay what it writes over the "
          "model (--overlay)"};
}

// Weights that are not PyTorch's.
struct Foreign {
  std::string_view end, what, hint;
};
constexpr std::string_view kFromTensorFlow =
    "load them in transformers with from_tf=True, and save_pretrained()";
constexpr std::string_view kFromFlax =
    "load them in transformers with from_flax=True, and save_pretrained()";
constexpr std::string_view kFromPyTorch =
    "take the model's files for PyTorch: a directory with config.json, tokenizers and "
    "*.safetensors";
constexpr std::array<Foreign, 13> kForeign = {{
    {"consolidated.00.pth", "weights of a LLaMA as Meta publishes them",
     "convert them with convert_llama_weights_to_hf.py of transformers, and give the directory "
     "that "
     "it writes"},
    {".h5", "weights of TensorFlow", kFromTensorFlow},
    {".ckpt.index", "weights of TensorFlow", kFromTensorFlow},
    {".msgpack", "weights of Flax", kFromFlax},
    {".onnx", "a program of ONNX", kFromPyTorch},
    {".gguf", "weights of llama.cpp (GGUF)", kFromPyTorch},
    {"ggml-model.bin", "weights of llama.cpp (GGML)", kFromPyTorch},
    {"openvino_model.bin", "a program of OpenVINO", kFromPyTorch},
    {"openvino_model.xml", "a program of OpenVINO", kFromPyTorch},
    {".tflite", "a program of TensorFlow Lite", kFromPyTorch},
    {".mlpackage", "a program of Core ML", kFromPyTorch},
    {".ot", "weights of rust-bert", kFromPyTorch},
    {".npz", "arrays of NumPy", kFromPyTorch},
}};

FolderKind foreign(const fs::path&, const Names& names) {
  for (const Foreign& row : kForeign) {
    const std::string found =
        first(names, [&](std::string_view name) { return name.ends_with(row.end); });
    if (!found.empty()) {
      return {std::string(row.what) + ", not read here: " + quote(found), std::string(row.hint)};
    }
  }
  return {};
}

// What is looked for lies further down.
FolderKind outer_folder(const fs::path& folder, const Names& names) {
  long latest = -1;
  std::string checkpoint, model;
  constexpr std::string_view kStep = "checkpoint-";
  for (const std::string& name : names) {
    const fs::path inner = folder / name;
    if (!is_folder(inner)) continue;
    long step = -1;
    if (name.starts_with(kStep)) {
      std::from_chars(name.data() + kStep.size(), name.data() + name.size(), step);
    }
    if (step > latest) {
      latest = step;
      checkpoint = name;
    }
    if (name == "snapshots") {
      const Names snapshots = names_in(inner);
      if (snapshots.empty()) continue;
      return {"a folder of the hub's cache", "give " + shown(inner / snapshots.front())};
    }
    if (model.empty() &&
        (is_present(inner / "config.json") || is_present(inner / "adapter_config.json"))) {
      model = name;
    }
  }
  if (is_present(folder / "model_index.json")) {
    return {"a pipeline of diffusers: model_index.json", "this library runs no diffusion models"};
  }
  if (!checkpoint.empty()) {
    return {"what a training wrote: " + quote(checkpoint),
            "give one of its checkpoints, as " + shown(folder / checkpoint)};
  }
  if (!model.empty()) {
    return {"there is a model in " + quote(model), "give " + shown(folder / model)};
  }
  return {};
}

FolderKind leftovers(const fs::path&, const Names& names) {
  const std::string adapter =
      first(names, [](std::string_view name) { return name.starts_with("adapter_model."); });
  if (!adapter.empty()) {
    return {"a LoRA adapter: " + quote(adapter),
            "give the model's directory, and this one as an adapter (--lora), with its "
            "adapter_config.json"};
  }
  const std::string left = first(names, [](std::string_view name) {
    return is_never_weights(name) || name == "trainer_state.json";
  });
  if (!left.empty()) {
    return {"what a trainer leaves to go on with: " + quote(left),
            "give the folder into which the model itself was saved"};
  }
  const auto is_of_page = [](std::string_view name) {
    return name.starts_with(".git") || name == "README.md" || name == "LICENSE";
  };
  if (!names.empty() && std::ranges::all_of(names, is_of_page)) {
    return {"the page of a model without its files: " + quote(names.front()),
            "download all files, or run 'git lfs pull' where it was cloned"};
  }
  return {};
}

constexpr std::array kKinds = {unfinished_download, shards_of_training, foreign, outer_folder,
                               leftovers};

}  // namespace

bool is_never_weights(std::string_view name) {
  return begins_with_any(name, kNoWeightsBeginnings) || ends_with_any(name, kNoWeightsEnds);
}

int shards_of(std::string_view name) {
  const std::size_t of = name.rfind("-of-");
  if (of == std::string_view::npos || of == 0) return 1;
  const std::string_view rest = name.substr(of + 4);
  int count = 1;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), count);
  const bool is_number = error == std::errc() && end > rest.data();
  return is_number && name[of - 1] >= '0' && name[of - 1] <= '9' ? std::max(count, 1) : 1;
}

Names names_in(const fs::path& folder) {
  Names names;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    names.push_back(it->path().filename().string());
  }
  std::ranges::sort(names);
  return names;
}

FolderKind kind_of_folder(const fs::path& folder) {
  const Names names = names_in(folder);
  if (names.empty()) return is_folder(folder) ? FolderKind{"it is empty", ""} : FolderKind{};
  for (const auto& kind : kKinds) {
    FolderKind found = kind(folder, names);
    if (!found.what.empty()) return found;
  }
  return {};
}

FolderKind kind_of_file(const fs::path& file) {
  const Names name = {file.filename().string()};
  if (ends_with_any(name[0], kUnfinished)) return unfinished_download(file.parent_path(), name);
  if (name[0].ends_with("_optim_states.pt") || name[0].ends_with(".distcp")) {
    return shards_of_training(file.parent_path(), name);
  }
  FolderKind other = foreign(file.parent_path(), name);
  if (!other.what.empty() || name[0].starts_with("adapter_model.")) return other;
  return is_never_weights(name[0]) ? leftovers(file.parent_path(), name) : FolderKind{};
}

bool has_adapter(const fs::path& folder) {
  return is_folder(folder) && is_present(folder / "adapter_config.json");
}

void fail_for_adapter(const fs::path& folder, const std::string& expected) {
  std::string base;
  try {
    base = Json::read(folder / "adapter_config.json").string_or("base_model_name_or_path", "");
  } catch (const Error&) {
    // What is wrong with it is said where it is given as an adapter.
  }
  throw Error(ErrorCode::bad_model,
              shown(folder) + ": a LoRA adapter, expected " + expected +
                  (base.empty() ? "" : "; it is for " + quote(base)),
              "give the model's directory (--model), and this one as an adapter (--lora)");
}

std::string unfinished_download_of(const fs::path& file) {
  const std::string name = file.filename().string();
  for (const std::string_view end : kUnfinished) {
    if (is_present(file.string() + std::string(end))) return name + std::string(end);
  }
  // The hub's client: the name, a hash, the end.
  const Names names = names_in(file.parent_path() / ".cache/huggingface/download");
  return first(names, [&](std::string_view other) {
    return other.starts_with(name + ".") && other.ends_with(".incomplete");
  });
}

}  // namespace instructblip
