// Where the weights of a model come from: a directory, and what is laid over it.
#pragma once

#include <filesystem>
#include <optional>
#include <vector>

#include "adapters/tensor_names.h"
#include "checkpoint/tensor_store.h"

namespace instructblip {

struct WeightSources {
  std::filesystem::path checkpoint;  // the directory of config.json
  // A language model alone, in place of whatever the directory holds of one.
  std::optional<std::filesystem::path> language_model = {};
  std::vector<std::filesystem::path> overlays = {};  // files or directories; later ones win
  std::vector<std::filesystem::path> adapters = {};  // PEFT's, merged in this order
  MappedFile::Access access = MappedFile::Access::map;

  // Whether weights come from anywhere but the directory.
  bool mixed() const { return language_model || !overlays.empty() || !adapters.empty(); }
};

// The tensors of all of them, under the names that the stages ask for. Rows of words that the
// language model lacks or has beyond `config` (LAVIS adds tokens of its own) are made up, or change
// `config`. Nothing is taken on trust: what belongs to no part of the model is still there, for
// nn::WeightLoader to report. Throws Error: as TensorStore::open() for each of them; bad_model,
// with a hint, for what is easily mixed up.
TensorStore gather_weights(const WeightSources& sources, ModelConfig& config);

// The same for a model that has no language model: invalid_argument where one is given.
TensorStore gather_weights(const WeightSources& sources, RetrievalConfig& config);

}  // namespace instructblip
