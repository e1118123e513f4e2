#include "checkpoint/weight_sources.h"

#include <algorithm>
#include <functional>
#include <string>
#include <system_error>
#include <utility>

#include "checkpoint/language_folder.h"
#include "checkpoint/lora_adapter.h"
#include "checkpoint/vocabulary_rows.h"
#include "checkpoint/weight_layers.h"
#include "core/errors.h"
#include "core/file.h"

namespace instructblip {
namespace {

namespace fs = std::filesystem;

using Translate = std::function<std::optional<std::string>(std::string_view)>;

bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

TensorStore open(const fs::path& path, const std::string& what, MappedFile::Access access) {
  if (!is_present(path)) {
    throw Error(ErrorCode::not_found, printable(path.string()) + ": no such file or directory",
                "expected " + what);
  }
  return is_folder(path) ? TensorStore::open(path, access) : TensorStore::open_file(path, access);
}

// The store's entries under the names that `translate` gives them. `where` stands before the names
// of files in messages.
std::vector<TensorEntry> translated(const TensorStore& store, const fs::path& where,
                                    const Translate& translate) {
  std::vector<TensorEntry> entries;
  for (const TensorEntry& entry : store.entries()) {
    std::optional<std::string> name = translate(entry.name);
    if (!name) continue;
    TensorEntry& copy = entries.emplace_back(entry);
    copy.name = std::move(*name);
    copy.file = (where / entry.file).string();
  }
  return entries;
}

bool is_adapter(const fs::path& path) {
  return is_folder(path) && is_present(path / "adapter_config.json");
}

void add_checkpoint(WeightLayers& layers, const WeightSources& sources, const TensorNames& names) {
  // With weights from elsewhere the directory need not have any; else it is told what it lacks.
  if (sources.mixed() && !TensorStore::has_weights(sources.checkpoint)) return;
  TensorStore store = TensorStore::open(sources.checkpoint, sources.access);
  std::vector<TensorEntry> entries =
      translated(store, {}, [&](std::string_view name) { return names.of_model(name); });
  layers.add(std::move(store), std::move(entries), true);
}

void add_language_model(WeightLayers& layers, const WeightSources& sources,
                        const TensorNames& names, const LanguageConfig& config) {
  if (!sources.language_model) return;
  const fs::path& path = *sources.language_model;
  const std::string shown = printable(path.string());
  if (is_adapter(path)) {
    throw Error(ErrorCode::bad_model, shown + ": a LoRA adapter, expected a language model",
                "give it as an adapter (--lora)");
  }
  if (is_present(path) && !is_folder(path)) {
    throw Error(ErrorCode::bad_model,
                shown + ": a file, expected the directory of a language model",
                "a file of weights is an overlay (--overlay)");
  }
  TensorStore store = open(path, "the directory of a language model", sources.access);
  check_stands_alone(store, path);
  warn_of_other_version(path, config);
  std::vector<TensorEntry> entries =
      translated(store, path, [&](std::string_view name) { return names.of_language_model(name); });
  layers.drop("language_model.");
  layers.add(std::move(store), std::move(entries), false);
}

void add_overlays(WeightLayers& layers, const WeightSources& sources, const TensorNames& names) {
  for (const fs::path& path : sources.overlays) {
    if (is_adapter(path)) {
      throw Error(ErrorCode::bad_model,
                  printable(path.string()) + ": a LoRA adapter, expected weights",
                  "give it as an adapter (--lora)");
    }
    TensorStore store = open(path, "a file of weights, or a directory with some", sources.access);
    const fs::path where = is_folder(path) ? path : path.parent_path();
    std::vector<TensorEntry> entries =
        translated(store, where, [&](std::string_view name) { return names.of_part(name); });
    layers.add(std::move(store), std::move(entries), false);
  }
}

std::vector<LoraAdapter> open_adapters(const WeightSources& sources, const TensorNames& names) {
  std::vector<LoraAdapter> adapters;
  for (const fs::path& path : sources.adapters) {
    if (is_present(path) && !is_adapter(path)) {
      throw Error(ErrorCode::bad_model,
                  printable(path.string()) +
                      ": expected the directory of a LoRA adapter, with adapter_config.json",
                  "weights are an overlay (--overlay)");
    }
    adapters.emplace_back(path, names, sources.access);
  }
  return adapters;
}

}  // namespace

TensorStore gather_weights(const WeightSources& sources, ModelConfig& config) {
  const TensorNames names(config);
  WeightLayers layers;
  add_checkpoint(layers, sources, names);
  add_language_model(layers, sources, names, config.text);
  add_overlays(layers, sources, names);
  std::vector<LoraAdapter> adapters = open_adapters(sources, names);
  for (LoraAdapter& adapter : adapters) adapter.add_whole(layers);
  fit_vocabulary(layers, config);
  for (const LoraAdapter& adapter : adapters) adapter.add_changes(layers);
  return std::move(layers).finish();
}

TensorStore gather_weights(const WeightSources& sources, const RetrievalConfig& config) {
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
  for (const LoraAdapter& adapter : adapters) adapter.add_changes(layers);
  return std::move(layers).finish();
}

}  // namespace instructblip
