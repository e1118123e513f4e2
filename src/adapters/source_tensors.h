// The tensors of one source of weights by our names, whatever training code has put around them.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "adapters/lora_adapter.h"
#include "adapters/tensor_names.h"
#include "checkpoint/tensor_store.h"

namespace instructblip {

// How the names of a source are read.
struct NameReader {
  std::function<std::optional<std::string>(std::string_view)> translate;
  std::function<bool(std::string_view)> is_known;
  // What no answer needs: left aside with a warning.
  std::function<bool(std::string_view)> is_idle = TensorNames::is_of_another_head;
};

struct SourceTensors {
  std::vector<TensorEntry> entries;
  // Where the source is a model that was saved with an adapter of peft in it.
  std::optional<LoraAdapter> adapter;
};

// `folder` is where the source's files lie, and is put before their names. Throws Error(bad_model),
// naming what is missing, where there are changes of an adapter and neither weights that they are
// for nor an adapter_config.json in `folder`, which has their scale.
SourceTensors read_source(const TensorStore& store, const std::filesystem::path& folder,
                          const TensorNames& names, const NameReader& reader);

}  // namespace instructblip
