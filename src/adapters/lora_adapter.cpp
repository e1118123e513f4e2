#include "adapters/lora_adapter.h"

#include <algorithm>
#include <array>
#include <memory>
#include <string_view>
#include <utility>

#include "adapters/lora_coverage.h"
#include "adapters/wrapped_names.h"
#include "checkpoint/tensor_recipe.h"
#include "core/errors.h"
#include "core/file.h"
#include "core/log.h"

namespace instructblip {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPeft = "base_model.model.";
constexpr std::array<const char*, 2> kFiles = {"adapter_model.safetensors", "adapter_model.bin"};
// What LLaVA's own code leaves beside an adapter: the projector, and whatever else was trained.
constexpr const char* kTrainedBeside = "non_lora_trainables.bin";

TensorStore open(const fs::path& directory, MappedFile::Access access) {
  for (const char* file : kFiles) {
    if (is_present(directory / file)) return TensorStore::open_file(directory / file, access);
  }
  const bool other = is_present(directory) && TensorStore::has_weights(directory);
  throw Error(ErrorCode::not_found,
              printable(directory.string()) + ": no weights; expected one of " + kFiles[0] + ", " +
                  kFiles[1],
              other ? "there are weights under another name: those of an adapter alone have to be "
                      "renamed, those of a model with its adapter in it are an overlay (--overlay)"
                    : "an adapter is the directory that peft's save_pretrained() writes");
}

// Tensors with their file's folder.
std::vector<TensorEntry> entries_of(const TensorStore& store, const fs::path& directory) {
  std::vector<TensorEntry> entries(store.entries().begin(), store.entries().end());
  for (TensorEntry& entry : entries) entry.file = (directory / entry.file).string();
  return entries;
}

// The module's path as peft knows it, in whatever the model that it was given is a part of.
std::string_view in_peft(std::string_view module) {
  const std::size_t at = module.rfind(kPeft);
  return at == std::string_view::npos ? module : module.substr(at + kPeft.size());
}

// What a key says behind the path of a module: which part of the change it is. The name of the
// adapter may stand between, where the state was saved without peft's help.
enum class Part { a, b, embedding_a, embedding_b, magnitude };
struct Marker {
  std::string_view text;
  Part part;
};
constexpr std::array<Marker, 5> kMarkers = {{
    {".lora_embedding_A", Part::embedding_a},
    {".lora_embedding_B", Part::embedding_b},
    {".lora_magnitude_vector", Part::magnitude},
    {".lora_A", Part::a},
    {".lora_B", Part::b},
}};

// "", ".weight", ".default" or ".default.weight".
bool is_known_end(std::string_view end) {
  constexpr std::string_view kWeight = ".weight";
  if (end.ends_with(kWeight)) end.remove_suffix(kWeight.size());
  return end.empty() || (end.starts_with('.') &&
                         end.substr(1).find('.') == std::string_view::npos && end != ".bias");
}

void cut(std::string& name, std::string_view component) {
  const std::size_t at = name.find(component);
  if (at != std::string::npos) name.erase(at, component.size());
}

std::int64_t elements_behind_first(const Shape& shape) {
  return checked_elements({shape.begin() + 1, shape.end()}).value_or(-1);
}

std::string shape_of(const std::optional<TensorEntry>& entry) { return to_string(entry->shape); }

}  // namespace

bool is_lora(std::string_view name) {
  return std::ranges::any_of(
      kMarkers, [&](const Marker& marker) { return name.find(marker.text) != name.npos; });
}

LoraAdapter::LoraAdapter(const fs::path& directory, const TensorNames& names,
                         MappedFile::Access access)
    : directory_(directory), config_(read_lora_config(directory)) {
  TensorStore store = open(directory, access);
  const std::vector<TensorEntry> entries = entries_of(store, directory);
  std::vector<std::string> plain;
  plain.reserve(entries.size());
  for (const TensorEntry& entry : entries) plain.push_back(without_wrappers(entry.name));
  prefix_ = outer_prefix(
      plain, [&](std::string_view name) { return names.is_known(name); }, directory.string());
  add_trained_beside(names, access);
  whole_.push_back({std::move(store), {}});
  sort_in_all(entries, names);
  if (changes_.empty() && whole_.back().entries.empty()) {
    throw Error(ErrorCode::bad_model, printable(directory.string()) + ": an adapter of no tensors",
                "save it once more; with DeepSpeed's stage 3 its parts have to be gathered before");
  }
}

LoraAdapter::LoraAdapter(const fs::path& directory, const std::vector<TensorEntry>& entries,
                         std::string_view prefix, const TensorNames& names)
    : directory_(directory),
      config_(read_lora_config(directory)),
      needs_peft_(false),
      prefix_(prefix) {
  sort_in_all(entries, names);
}

void LoraAdapter::sort_in_all(const std::vector<TensorEntry>& entries, const TensorNames& names) {
  Findings unknown;
  for (const TensorEntry& entry : entries) {
    if (sort_in(entry, names)) continue;
    unknown.add(printable(entry.file) + ": " + printable(entry.name) + " " +
                to_string(entry.shape));
  }
  unknown.throw_if_any(
      ErrorCode::bad_model,
      printable(directory_.string()) + ": tensors that no LoRA adapter of such a model has",
      "expected base_model.model.<module>.lora_A.weight and the like, of one adapter");
}

void LoraAdapter::add_trained_beside(const TensorNames& names, MappedFile::Access access) {
  if (!is_present(directory_ / kTrainedBeside)) return;
  log_info(printable((directory_ / kTrainedBeside).string()) + ": laid over the weights as well");
  TensorStore store = TensorStore::open_file(directory_ / kTrainedBeside, access);
  std::vector<TensorEntry> entries = entries_of(store, directory_);
  for (TensorEntry& entry : entries) entry.name = ours(entry.name, names).value_or(entry.name);
  whole_.push_back({std::move(store), std::move(entries)});
}

std::optional<std::string> LoraAdapter::ours(std::string_view name,
                                             const TensorNames& names) const {
  const std::string plain = without_wrappers(name);
  const bool is_behind = plain.starts_with(prefix_);
  return names.of_part(is_behind ? std::string_view(plain).substr(prefix_.size()) : plain);
}

LoraAdapter::Change& LoraAdapter::change_of(const std::string& module, const TensorNames& names) {
  const auto [found, is_new] = changes_.try_emplace(module);
  if (is_new) found->second.weight = ours(module + ".weight", names).value_or("");
  return found->second;
}

bool LoraAdapter::sort_in(const TensorEntry& entry, const TensorNames& names) {
  std::string name = entry.name;
  const std::size_t begin = name.size() - in_peft(name).size();
  if (begin == 0 && needs_peft_) return false;
  for (const Marker& marker : kMarkers) {
    const std::size_t at = name.find(marker.text, begin);
    if (at == std::string::npos) continue;
    if (!is_known_end(std::string_view(name).substr(at + marker.text.size()))) return false;
    Change& change = change_of(name.substr(0, at), names);
    const bool of_a = marker.part == Part::a || marker.part == Part::embedding_a;
    std::optional<TensorEntry>& part = marker.part == Part::magnitude ? change.magnitude
                                       : of_a                         ? change.a
                                                                      : change.b;
    if (part) return false;
    part = entry;
    change.of_embedding =
        change.of_embedding || marker.part == Part::embedding_a || marker.part == Part::embedding_b;
    return true;
  }
  for (const std::string_view part : {"lora_", ".token_adapter."}) {
    if (name.find(part) != std::string::npos) return false;
  }
  if (name.find(".original_module.") != std::string::npos) return true;  // the model has it
  cut(name, ".modules_to_save.default");
  cut(name, ".modules_to_save");
  cut(name, ".base_layer");
  const std::optional<std::string> our_name = ours(name, names);
  if (!our_name) return false;
  TensorEntry& whole = whole_.back().entries.emplace_back(entry);
  whole.name = *our_name;
  return true;
}

bool LoraAdapter::is_of_llama_alone() const {
  return !changes_.empty() && std::ranges::all_of(changes_, [](const auto& change) {
    const std::string_view module = in_peft(change.first);
    return module.starts_with("model.layers.") || module == "lm_head" ||
           module == "model.embed_tokens";
  });
}

void LoraAdapter::add_whole(WeightLayers& layers) {
  for (Whole& whole : whole_) {
    for (const TensorEntry& entry : whole.entries) laid_.insert(entry.name);
    layers.add(std::move(whole.store), std::move(whole.entries), false);
  }
  whole_.clear();
}

std::string LoraAdapter::fault_of(const std::string& module, const Change& change,
                                  const WeightLayers::Tensors& tensors) const {
  if (!change.a || !change.b) return change.a ? "lora_B is missing" : "lora_A is missing";
  const auto found = tensors.find(change.weight);
  if (found == tensors.end()) return "the model has no such weight";
  if (config_.magnitudes != change.magnitude.has_value()) {
    return change.magnitude ? "a magnitude, though use_dora is not set"
                            : "the magnitude that use_dora asks for is missing";
  }
  for (const auto* part : {&change.a, &change.b, &change.magnitude}) {
    if (*part && !is_weight_dtype((*part)->dtype)) {
      return "type " + std::string(name_of((*part)->dtype)) + ", expected F32, F16, BF16 or F64";
    }
  }
  if (!is_weight_dtype(found->second.entry.dtype)) return "the weight is none: it is of integers";
  const Shape& a = change.a->shape;
  const Shape& b = change.b->shape;
  const Shape& weight = found->second.entry.shape;
  std::string shapes = "lora_A " + to_string(a) + " and lora_B " + to_string(b) +
                       " do not fit the weight " + to_string(weight);
  if (a.size() < 2 || b.size() < 2 || weight.size() < 2) return shapes;
  const std::int64_t rank = config_.rank_of(in_peft(module));
  if (a[0] != rank || elements_behind_first(b) != rank) {
    return "lora_A " + to_string(a) + " and lora_B " + to_string(b) + ", expected the rank " +
           std::to_string(rank) + " of adapter_config.json";
  }
  const std::int64_t rows = change.of_embedding ? elements_behind_first(weight) : weight[0];
  const std::int64_t columns = change.of_embedding ? weight[0] : elements_behind_first(weight);
  if (b[0] != rows || elements_behind_first(a) != columns) return shapes;
  if (!change.magnitude) return {};
  if (change.of_embedding || weight.size() != 2) return "DoRA of anything but a linear layer";
  const Shape& magnitude = change.magnitude->shape;
  if (magnitude == Shape{rows}) return {};
  return "magnitude " + shape_of(change.magnitude) + ", expected [" + std::to_string(rows) + "]";
}

void LoraAdapter::add_changes(WeightLayers& layers) const {
  Findings findings;
  for (const auto& [module, change] : changes_) {
    const std::string fault = fault_of(module, change, layers.tensors());
    if (!fault.empty()) findings.add(printable(in_peft(module)) + ": " + fault);
  }
  findings.throw_if_any(ErrorCode::bad_model,
                        printable(directory_.string()) + ": the adapter does not fit the model",
                        "is it an adapter of another model?");
  std::vector<LoraChange> changes;
  for (const auto& [module, change] : changes_) {
    changes.push_back({std::string(in_peft(module)), change.weight});
  }
  // Where the adapter is in its model, so is what was trained whole.
  check_coverage({printable(directory_.string()), changes, needs_peft_ ? &laid_ : nullptr},
                 config_.targets, layers.tensors());
  for (const auto& [module, change] : changes_) {
    TensorEntry& entry = layers.tensors().find(change.weight)->second.entry;
    auto recipe = std::make_shared<TensorRecipe>();
    if (entry.recipe) {
      *recipe = *entry.recipe;
    } else {
      recipe->base = entry;
    }
    recipe->changes.push_back({*change.a, *change.b, config_.scale_of(in_peft(module)),
                               change.of_embedding, change.magnitude});
    entry.recipe = std::move(recipe);
    entry.bytes = {};
    entry.dtype = DType::f32;
    entry.file += " + " + change.a->file;
  }
}

}  // namespace instructblip
