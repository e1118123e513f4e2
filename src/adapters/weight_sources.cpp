#include "adapters/weight_sources.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <variant>

#include "adapters/language_folder.h"
#include "adapters/lora_adapter.h"
#include "adapters/own_quantisation.h"
#include "adapters/quantisation.h"
#include "adapters/source_tensors.h"
#include "adapters/vocabulary_rows.h"
#include "adapters/weight_layers.h"
#include "checkpoint/folder_contents.h"
#include "config/own_llava.h"
#include "core/errors.h"
#include "core/file.h"
#include "core/foreign_file.h"
#include "core/json.h"
#include "core/log.h"

namespace instructblip {
namespace {

namespace fs = std::filesystem;

TensorStore open(const fs::path& path, const std::string& what, MappedFile::Access access) {
  if (!is_present(path)) {
    throw Error(ErrorCode::not_found, printable(path.string()) + ": no such file or directory",
                "expected " + what);
  }
  if (is_folder(path)) {
    return open_unquantised(path, [&] { return TensorStore::open(path, access); });
  }
  const FolderKind kind = kind_of_file(path);
  if (!kind.what.empty()) {
    throw Error(ErrorCode::bad_model,
                printable(path.string()) + ": expected weights, got " + kind.what, kind.hint);
  }
  return open_unquantised(path, [&] { return TensorStore::open_file(path, access); });
}

// One shard of several is less than its user has: the others are looked for among the overlays.
void check_shards_are_given(const std::vector<fs::path>& overlays) {
  for (const fs::path& path : overlays) {
    const int shards = is_folder(path) ? 1 : shards_of(path.filename().string());
    const auto is_sibling = [&](const fs::path& other) {
      return other.parent_path() == path.parent_path() &&
             shards_of(other.filename().string()) == shards;
    };
    if (shards == 1 || std::ranges::count_if(overlays, is_sibling) >= shards) continue;
    throw Error(ErrorCode::bad_model,
                printable(path.string()) + ": one of " + std::to_string(shards) + " shards",
                "give the directory of all shards and their index, or every shard (--overlay)");
  }
}

// Lays the source's tensors over what is there; those of a model that was saved with an adapter in
// it, merged.
void add(WeightLayers& layers, TensorStore store, SourceTensors source, bool from_checkpoint) {
  layers.add(std::move(store), std::move(source.entries), from_checkpoint);
  if (source.adapter) source.adapter->add_changes(layers);
}

// Two answers are possible where a folder has weights and an adapter beside them, and no file says
// which one is meant. Weights with the adapter's modules in them need its config.
void check_for_adapter(const fs::path& folder, const SourceTensors& tensors,
                       const WeightSources& sources) {
  const bool has_changes =
      is_present(folder / "adapter_model.safetensors") || is_present(folder / "adapter_model.bin");
  if (!has_adapter(folder)) {
    if (!has_changes) return;
    log_warning(printable(folder.string()) +
                ": the adapter_model.* beside the weights is left aside: without its "
                "adapter_config.json it is no adapter");
    return;
  }
  const bool is_given = std::ranges::any_of(sources.adapters, [&](const fs::path& adapter) {
    std::error_code ignored;
    return fs::equivalent(adapter, folder, ignored);
  });
  if (is_given != tensors.adapter.has_value()) return;
  const std::string shown = printable(folder.string());
  if (is_given) {
    throw Error(ErrorCode::bad_model,
                shown +
                    ": the weights are those of a model with its adapter in it, and the same "
                    "adapter is given once more",
                "leave it out (--lora): it is merged already");
  }
  throw Error(
      ErrorCode::bad_model,
      shown +
          ": weights, and a LoRA adapter beside them (adapter_config.json): are they "
          "with it or without?",
      std::string(has_changes ? "with the adapter: give this folder as one as well (--lora); "
                                "without it, or where"
                              : "its adapter_model.* is missing; where") +
          " it is merged into the weights already: move adapter_config.json and "
          "adapter_model.* to another folder");
}

void add_checkpoint(WeightLayers& layers, const WeightSources& sources, const TensorNames& names) {
  // With weights from elsewhere the directory need not have any; else it is told what it lacks.
  const fs::path& path = sources.checkpoint;
  if (!TensorStore::has_weights(path)) {
    if (has_adapter(path)) fail_for_adapter(path, "a whole model");
    if (sources.mixed()) return;
  }
  const auto open = [&] { return TensorStore::open(path, sources.access); };
  TensorStore store =
      own_quantisation(path) ? with_matrices(open(), path) : open_unquantised(path, open);
  // LLaVA's own code keeps the language model at the top, inside no other module.
  const bool own = std::ranges::any_of(store.entries(), [](const TensorEntry& entry) {
    return entry.name.find("model.mm_projector.") != std::string::npos;
  });
  SourceTensors tensors = read_source(
      store, path, names,
      {.translate = [&](auto name) { return own ? names.of_part(name) : names.of_model(name); },
       .is_known = [&](auto name) { return names.is_known(name); },
       .is_idle =
           [&](auto name) {
             return names.is_of_another_head(name) || names.is_idle_newline(name);
           }});
  check_for_adapter(path, tensors, sources);
  add(layers, std::move(store), std::move(tensors), true);
}

void add_language_model(WeightLayers& layers, const WeightSources& sources,
                        const TensorNames& names) {
  if (!sources.language_model) return;
  const fs::path& path = *sources.language_model;
  if (has_adapter(path) && !TensorStore::has_weights(path)) {
    fail_for_adapter(path, "a language model");
  }
  if (is_present(path) && !is_folder(path)) {
    refuse_foreign(recognise_foreign_file(path), path.string(),
                   "the directory of a language model");
    throw Error(ErrorCode::bad_model,
                printable(path.string()) + ": a file, expected the directory of a language model",
                is_present(path.parent_path() / "config.json")
                    ? "give the directory that holds it, whose config.json tells which it is"
                    : "a file of weights is an overlay (--overlay)");
  }
  TensorStore store = open(path, "the directory of a language model", sources.access);
  check_stands_alone(store, path);
  check_same_language_model(path, sources.checkpoint);
  SourceTensors tensors =
      read_source(store, path, names,
                  {.translate = [&](auto name) { return names.of_language_model(name); },
                   .is_known = [&](auto name) { return names.is_of_language_model(name); }});
  check_for_adapter(path, tensors, sources);
  layers.drop("language_model.");
  add(layers, std::move(store), std::move(tensors), false);
}

bool is_of_language_model(const TensorEntry& entry) {
  return entry.name.starts_with("language_model.");
}

void add_overlays(WeightLayers& layers, const WeightSources& sources, const TensorNames& names) {
  check_shards_are_given(sources.overlays);
  for (const fs::path& path : sources.overlays) {
    if (has_adapter(path) && !TensorStore::has_weights(path)) fail_for_adapter(path, "weights");
    TensorStore store = open(path, "a file of weights, or a directory with some", sources.access);
    const fs::path folder = is_folder(path) ? path : path.parent_path();
    SourceTensors tensors =
        read_source(store, folder, names,
                    {.translate = [&](auto name) { return names.of_part(name); },
                     .is_known = [&](auto name) { return names.is_known(name); }});
    if (is_folder(path)) check_for_adapter(path, tensors, sources);
    if (std::ranges::any_of(tensors.entries, is_of_language_model) &&
        describes_language_model(folder) && !is_own_llava(folder)) {
      check_same_language_model(folder, sources.checkpoint);
    }
    add(layers, std::move(store), std::move(tensors), false);
  }
}

// What is taken for the directory of an adapter and is none.
[[noreturn]] void fail_without_adapter(const fs::path& path) {
  std::string hint = "weights are an overlay (--overlay)";
  const FolderKind kind = is_folder(path) ? kind_of_folder(path) : FolderKind{};
  if (!is_folder(path) &&
      (path.filename().string().starts_with("adapter_") || has_adapter(path.parent_path()))) {
    hint = "give the directory in which it lies";
  } else if (is_folder(path) && TensorStore::has_weights(path)) {
    hint =
        "these are weights, as of a whole model: give them as the model (--model) or lay them over "
        "it (--overlay)";
  } else if (!kind.what.empty()) {
    hint = kind.what + (kind.hint.empty() ? "" : ": " + kind.hint);
  }
  throw Error(ErrorCode::bad_model,
              printable(path.string()) +
                  ": expected the directory of a LoRA adapter, with adapter_config.json",
              hint);
}

std::vector<LoraAdapter> open_adapters(const WeightSources& sources, const TensorNames& names) {
  std::vector<LoraAdapter> adapters;
  for (const fs::path& path : sources.adapters) {
    refuse_foreign(recognise_foreign_file(path), path.string(), "the directory of a LoRA adapter");
    if (is_present(path) && !has_adapter(path)) fail_without_adapter(path);
    adapters.emplace_back(path, names, sources.access);
  }
  return adapters;
}

bool has_projector(const WeightLayers& layers) {
  return std::ranges::any_of(layers.tensors(), [](const auto& row) {
    return row.first.starts_with("multi_modal_projector.") && !row.second.from_checkpoint;
  });
}

// LLaVA's own code trains the projector whole, beside its adapter, and saves it in a file of its
// own: one without the other is half of what was trained.
void check_trained_beside(const WeightLayers& layers, const LoraAdapter& adapter,
                          const ModelConfig& config) {
  if (!std::holds_alternative<ClipVisionConfig>(config.vision)) return;
  const fs::path& folder = adapter.directory();
  const bool is_own = is_own_llava(folder);
  if (!is_own && !adapter.is_of_llama_alone()) return;
  if (is_present(folder / "non_lora_trainables.bin") || has_projector(layers)) return;
  const std::string shown = printable(folder.string());
  const std::string base =
      Json::read(folder / "adapter_config.json").string_or("base_model_name_or_path", "");
  if (!is_own && base.find("llava") == std::string::npos) {
    log_warning(shown +
                ": an adapter of the language model alone, without non_lora_trainables.bin: where "
                "LLaVA's own code trained it, the projector in that file belongs to it");
    return;
  }
  throw Error(ErrorCode::bad_model,
              shown +
                  ": an adapter of LLaVA's own code, expected non_lora_trainables.bin beside it, "
                  "which has the projector that was trained with it",
              "download or copy that file too; a projector from elsewhere is an overlay "
              "(--overlay)");
}

// Where LLaVA's own code saved what is laid over the checkpoint, its config.json says for which
// model, whatever part of it is there.
void check_own_llavas(const WeightLayers& layers, const WeightSources& sources,
                      const ModelConfig& config) {
  if (!std::holds_alternative<ClipVisionConfig>(config.vision)) return;
  std::set<fs::path> folders(sources.adapters.begin(), sources.adapters.end());
  for (const fs::path& path : sources.overlays) {
    folders.insert(is_folder(path) ? path : path.parent_path());
  }
  const auto has = [&](std::string_view name) { return layers.tensors().contains(name); };
  std::optional<bool> two_layers;
  if (has("multi_modal_projector.weight") || has("multi_modal_projector.linear_1.weight")) {
    two_layers = has("multi_modal_projector.linear_2.weight");
  }
  for (const fs::path& folder : folders) {
    if (!is_own_llava(folder)) continue;
    check_same_language_model(folder, sources.checkpoint);
    check_own_llava(folder, sources.checkpoint, config, two_layers);
  }
}

}  // namespace

TensorStore gather_weights(const WeightSources& sources, ModelConfig& config) {
  const TensorNames names(config);
  WeightLayers layers;
  add_checkpoint(layers, sources, names);
  add_language_model(layers, sources, names);
  add_overlays(layers, sources, names);
  std::vector<LoraAdapter> adapters = open_adapters(sources, names);
  for (LoraAdapter& adapter : adapters) {
    check_trained_beside(layers, adapter, config);
    adapter.add_whole(layers);
  }
  check_own_llavas(layers, sources, config);
  fit_vocabulary(layers, config);
  if (config.qformer) fit_words(layers, *config.qformer);
  for (const LoraAdapter& adapter : adapters) adapter.add_changes(layers);
  return std::move(layers).finish();
}

TensorStore gather_weights(const WeightSources& sources, RetrievalConfig& config) {
  if (sources.language_model) {
    throw Error(ErrorCode::invalid_argument,
                "language_model: a model for retrieval has none, got " +
                    quote(sources.language_model->string()));
  }
  const TensorNames names(config);
  WeightLayers layers;
  add_checkpoint(layers, sources, names);
  add_overlays(layers, sources, names);
  std::vector<LoraAdapter> adapters = open_adapters(sources, names);
  for (LoraAdapter& adapter : adapters) adapter.add_whole(layers);
  fit_words(layers, config.qformer);
  for (const LoraAdapter& adapter : adapters) adapter.add_changes(layers);
  return std::move(layers).finish();
}

}  // namespace instructblip
