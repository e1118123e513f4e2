#include "adapters/source_tensors.h"

#include <set>
#include <utility>

#include "adapters/wrapped_names.h"
#include "core/errors.h"
#include "core/file.h"
#include "core/log.h"

namespace instructblip {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kOriginal = ".original_module.";
constexpr std::string_view kSaved = ".modules_to_save.";
constexpr std::string_view kBase = ".base_layer.";

// As Lightning names it by custom: nothing to speak of.
constexpr std::string_view kCustomary = "model.";

void replace(std::string& name, std::string_view from, std::string_view to) {
  const std::size_t at = name.find(from);
  if (at != std::string::npos) name.replace(at, from.size(), to);
}

// peft's names of a weight that it has put something around. None: what it has put something else
// in the place of.
std::optional<std::string> without_peft(std::string name) {
  if (name.find(kOriginal) != std::string::npos) return std::nullopt;
  replace(name, kBase, ".");
  const std::size_t at = name.find(kSaved);
  if (at == std::string::npos) return name;
  // The name of the adapter follows.
  const std::size_t end = name.find('.', at + kSaved.size());
  return name.erase(at, (end == std::string::npos ? at + kSaved.size() - 1 : end) - at);
}

std::string_view without_suffix(std::string_view name) {
  return name.substr(0, name.find(".lora_"));
}

[[noreturn]] void fail_without_scale(const TensorEntry& change, const fs::path& folder,
                                     std::size_t count) {
  throw Error(ErrorCode::bad_model,
              printable(change.file) + ": LoRA changes that are not merged, " +
                  std::to_string(count) + " tensors such as " + quote(change.name) +
                  ", expected their adapter_config.json in " + printable(folder.string()) +
                  ": lora_alpha and r are not in the weights",
              "copy the adapter_config.json of the training beside the weights, or merge in Python "
              "(merge_and_unload) and save again");
}

// The weight that a change is for has to be in the same source: else this is an adapter alone.
void check_weights(const std::vector<TensorEntry>& changes,
                   const std::vector<std::string>& present) {
  const std::set<std::string_view> names(present.begin(), present.end());
  for (const TensorEntry& change : changes) {
    if (names.contains(without_wrappers(without_suffix(change.name)) + ".weight")) return;
  }
  throw Error(ErrorCode::bad_model,
              printable(changes.front().file) + ": a LoRA adapter (" + quote(changes.front().name) +
                  "), expected weights",
              "give its folder as an adapter (--lora), in which it is adapter_model.safetensors or "
              "adapter_model.bin beside adapter_config.json");
}

// All parameters of a module in one vector: their names and shapes are not in the file.
[[noreturn]] void fail_for_flat(const TensorEntry& entry) {
  throw Error(ErrorCode::unsupported,
              printable(entry.file) + ": weights as FSDP keeps them while it trains, " +
                  quote(entry.name) + " " + to_string(entry.shape) +
                  ", expected a tensor for each weight",
              "save them with StateDictType.FULL_STATE_DICT");
}

// Whose queries and keys lie in another order: no renaming makes them those of transformers.
void refuse_metas(const TensorEntry& entry) {
  if (!entry.name.ends_with("tok_embeddings.weight")) return;
  throw Error(ErrorCode::unsupported,
              printable(entry.file) + ": weights as Meta or Mistral AI publish them, " +
                  quote(entry.name) + ", expected the names of transformers",
              "convert them with convert_llama_weights_to_hf.py (or "
              "convert_mistral_weights_to_hf.py) of transformers, and give the directory that it "
              "writes");
}

}  // namespace

SourceTensors read_source(const TensorStore& store, const fs::path& folder,
                          const TensorNames& names, const NameReader& reader) {
  SourceTensors source;
  std::vector<TensorEntry> changes;
  std::vector<std::string> plain;  // as `source.entries`, which keep the stored names until the end
  for (const TensorEntry& entry : store.entries()) {
    TensorEntry copy = entry;
    copy.file = (folder / entry.file).string();
    if (entry.name.find("flat_param") != std::string::npos) fail_for_flat(copy);
    refuse_metas(copy);
    if (is_lora(entry.name)) {
      changes.push_back(std::move(copy));
      continue;
    }
    std::optional<std::string> name = without_peft(without_wrappers(entry.name));
    if (!name) continue;
    plain.push_back(std::move(*name));
    source.entries.push_back(std::move(copy));
  }
  const std::string file = source.entries.empty() ? folder.string() : source.entries.front().file;
  const std::string prefix = outer_prefix(plain, reader.is_known, file);
  if (!prefix.empty() && prefix != kCustomary) {
    log_warning(printable(file) + ": the names of the model stand behind " + quote(prefix) +
                ", which is left out");
  }
  if (!changes.empty()) {
    check_weights(changes, plain);
    if (!is_present(folder / "adapter_config.json")) {
      fail_without_scale(changes.front(), folder, changes.size());
    }
    source.adapter.emplace(folder, changes, prefix, names);
  }
  std::vector<TensorEntry> translated;
  std::vector<std::string> idle;
  for (std::size_t i = 0; i < plain.size(); ++i) {
    std::string_view name = plain[i];
    if (name.starts_with(prefix)) name.remove_prefix(prefix.size());
    if (reader.is_idle(name)) {
      idle.emplace_back(name);
      continue;
    }
    std::optional<std::string> ours = reader.translate(name);
    if (!ours) continue;
    translated.push_back(std::move(source.entries[i]));
    translated.back().name = std::move(*ours);
  }
  if (!idle.empty()) {
    log_warning(printable(file) + ": " + quote(idle.front()) +
                (idle.size() > 1 ? " and " + std::to_string(idle.size() - 1) + " more" : "") +
                ", which no answer needs: left aside, as in transformers");
  }
  source.entries = std::move(translated);
  return source;
}

}  // namespace instructblip
