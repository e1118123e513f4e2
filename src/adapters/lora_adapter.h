// PEFT LoRA adapters, merged as they are read.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "adapters/lora_config.h"
#include "adapters/tensor_names.h"
#include "adapters/weight_layers.h"
#include "checkpoint/tensor_store.h"

namespace instructblip {

// Whether a tensor of this name is a part of a LoRA change.
bool is_lora(std::string_view name);

// A directory with adapter_config.json and adapter_model.safetensors or .bin, trained on the whole
// model or on its language model alone.
class LoraAdapter {
 public:
  // Takes non_lora_trainables.bin too, where LLaVA's own code left what it trained whole beside the
  // adapter. Throws Error(not_found, bad_model, unsupported).
  LoraAdapter(const std::filesystem::path& directory, const TensorNames& names,
              MappedFile::Access access);

  // The changes among `entries`, those of a model that was saved with peft's modules in it, behind
  // `prefix`. Their scale is that of adapter_config.json in `directory`.
  LoraAdapter(const std::filesystem::path& directory, const std::vector<TensorEntry>& entries,
              std::string_view prefix, const TensorNames& names);

  const std::filesystem::path& directory() const { return directory_; }
  // Whether all changes have the names that a LLaMA has alone, as in what LLaVA's own code trains.
  bool is_of_llama_alone() const;

  // Lays what was trained whole (modules_to_save, biases, embeddings) over the tensors.
  void add_whole(WeightLayers& layers);
  // Adds the changes to the tensors. Throws Error(bad_model) for one that is for no tensor, of
  // which a part is missing, or whose shapes do not fit, and as check_coverage().
  void add_changes(WeightLayers& layers) const;

 private:
  struct Change {
    std::string weight;  // by our names
    std::optional<TensorEntry> a, b, magnitude;
    bool of_embedding = false;
  };

  void sort_in_all(const std::vector<TensorEntry>& entries, const TensorNames& names);
  // False for a name that no adapter has.
  bool sort_in(const TensorEntry& entry, const TensorNames& names);
  Change& change_of(const std::string& module, const TensorNames& names);
  // By our names.
  std::optional<std::string> ours(std::string_view name, const TensorNames& names) const;
  void add_trained_beside(const TensorNames& names, MappedFile::Access access);
  // What is wrong with it; empty where nothing is.
  std::string fault_of(const std::string& module, const Change& change,
                       const WeightLayers::Tensors& tensors) const;

  std::filesystem::path directory_;
  LoraConfig config_;
  bool needs_peft_ = true;                 // "base_model.model." in every name
  std::string prefix_;                     // before the names of the model, without wrappers
  std::map<std::string, Change> changes_;  // by the adapter's name of the module
  struct Whole {
    TensorStore store;
    std::vector<TensorEntry> entries;
  };
  std::vector<Whole> whole_;
  std::set<std::string> laid_;  // what was in `whole_`, by our names
};

}  // namespace instructblip
