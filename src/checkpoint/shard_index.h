// model.safetensors.index.json: which shard holds which tensor.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "checkpoint/tensor_store.h"

namespace instructblip {

struct ShardIndex {
  std::string file;                             // the index's path, for messages
  std::map<std::string, std::string> shard_of;  // tensor name -> file name
  std::vector<std::string> shards() const;      // each once, sorted
};

// Throws Error(bad_model) where the map is empty or a shard's name is anything but the name of a
// file beside the index.
ShardIndex read_shard_index(const std::filesystem::path& file);

// Holds what the shards contain, sorted by name, against what the index says of them. Throws
// Error(bad_model).
void check_against_index(const std::vector<TensorEntry>& entries, const ShardIndex& index);

}  // namespace instructblip
