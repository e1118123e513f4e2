#include "checkpoint/shard_writer.h"

#include <algorithm>
#include <cstdio>
#include <span>
#include <string>

#include "core/file.h"
#include "core/json.h"

namespace instructblip {
namespace {

std::int64_t bytes_of_values(const TensorToWrite& tensor) {
  return checked_elements(tensor.shape).value() * static_cast<std::int64_t>(size_of(tensor.dtype));
}

// In the order of `tensors`: where each shard ends.
std::vector<std::size_t> ends_of(const std::vector<TensorToWrite>& tensors,
                                 std::int64_t most_bytes) {
  std::vector<std::size_t> ends;
  std::int64_t bytes = 0;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const std::int64_t more = bytes_of_values(tensors[i]);
    if (bytes > 0 && more > most_bytes - bytes) {
      ends.push_back(i);
      bytes = 0;
    }
    bytes += more;
  }
  ends.push_back(tensors.size());
  return ends;
}

std::string name_of_shard(std::size_t index, std::size_t count) {
  char name[64];
  std::snprintf(name, sizeof name, "model-%05zu-of-%05zu.safetensors", index + 1, count);
  return name;
}

}  // namespace

int write_shards(const std::filesystem::path& directory, std::vector<TensorToWrite> tensors,
                 std::int64_t most_bytes) {
  std::ranges::sort(tensors, {}, &TensorToWrite::name);
  const std::vector<std::size_t> ends = ends_of(tensors, most_bytes);
  if (ends.size() == 1) {
    write_safetensors(directory / "model.safetensors", tensors);
    return 1;
  }
  std::int64_t total = 0;
  std::string map;
  std::size_t begin = 0;
  for (std::size_t shard = 0; shard < ends.size(); ++shard) {
    const std::string name = name_of_shard(shard, ends.size());
    const auto part = std::span(tensors).subspan(begin, ends[shard] - begin);
    for (const TensorToWrite& tensor : part) {
      total += bytes_of_values(tensor);
      map += std::string(map.empty() ? "" : ",") + "\n    " + json_literal(tensor.name) + ": " +
             json_literal(name);
    }
    write_safetensors(directory / name, part);
    begin = ends[shard];
  }
  const std::string index = "{\n  \"metadata\": {\n    \"total_size\": " + std::to_string(total) +
                            "\n  },\n  \"weight_map\": {" + map + "\n  }\n}\n";
  write_file_atomically(directory / "model.safetensors.index.json",
                        [&](const ByteSink& sink) { sink(std::as_bytes(std::span(index))); });
  return static_cast<int>(ends.size());
}

}  // namespace instructblip
