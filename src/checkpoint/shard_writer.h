// The tensors of a checkpoint as transformers lays them out: one file, or shards with an index.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "checkpoint/safetensors_writer.h"

namespace instructblip {

// Writes `tensors` into `directory`: model.safetensors, or where they have more than `most_bytes`,
// model-00001-of-0000n.safetensors and model.safetensors.index.json; a tensor larger than that has
// a file of its own. Returns the number of files with tensors. Throws as write_safetensors().
int write_shards(const std::filesystem::path& directory, std::vector<TensorToWrite> tensors,
                 std::int64_t most_bytes);

}  // namespace instructblip
