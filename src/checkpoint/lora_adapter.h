// PEFT LoRA adapters, merged as they are read.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/lora_config.h"
#include "checkpoint/tensor_names.h"
#include "checkpoint/tensor_store.h"
#include "checkpoint/weight_layers.h"

namespace instructblip {

// A directory with adapter_config.json and adapter_model.safetensors or .bin, trained on the whole
// model or on its language model alone.
class LoraAdapter {
 public:
  // Throws Error(not_found, bad_model, unsupported).
  LoraAdapter(const std::filesystem::path& directory, const TensorNames& names,
              MappedFile::Access access);

  // Lays what was trained whole (modules_to_save, biases, embeddings) over the tensors.
  void add_whole(WeightLayers& layers);
  // Adds the changes to the tensors. Throws Error(bad_model) for one that is for no tensor, of
  // which a part is missing, or whose shapes do not fit.
  void add_changes(WeightLayers& layers) const;

 private:
  struct Change {
    std::string weight;  // by our names
    std::optional<TensorEntry> a, b, magnitude;
    bool of_embedding = false;
  };

  // False for a name that no adapter has.
  bool sort_in(const TensorEntry& entry, const TensorNames& names);
  Change& change_of(const std::string& module, const TensorNames& names);
  // What is wrong with it; empty where nothing is.
  std::string fault_of(const std::string& module, const Change& change,
                       const WeightLayers::Tensors& tensors) const;

  std::filesystem::path directory_;
  LoraConfig config_;
  TensorStore store_;
  std::map<std::string, Change> changes_;  // by the adapter's name of the module
  std::vector<TensorEntry> whole_;
};

}  // namespace instructblip
