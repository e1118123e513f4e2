// Quantised checkpoints, which are not run: told from the files that say so, and from the tensors.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "checkpoint/tensor_store.h"

namespace instructblip {

// How weights were quantised.
struct Quantisation {
  std::string method;    // "bitsandbytes"; empty where it is not known
  std::string variant;   // "nf4", "4 bit"; may be empty
  std::string source;    // the file that says so, or a tensor and its file
  bool applied = false;  // the reference would quantise weights that are not yet
};

// What config.json of `directory` says of its weights, or another file there in which a tool of
// quantisation left its settings. None where nothing does. Throws Error as Json::read().
std::optional<Quantisation> described_quantisation(const std::filesystem::path& directory);

// What names and types of tensors say. `where` stands before the names of files.
std::optional<Quantisation> found_quantisation(const TensorStore& tensors,
                                               const std::filesystem::path& where);

// What `open` opens, the weights of `path`, a directory or a file. Throws Error(unsupported), with
// the method and a remedy, where they are quantised, or where the reference would quantise them;
// else what `open` throws.
TensorStore open_unquantised(const std::filesystem::path& path,
                             const std::function<TensorStore()>& open);

}  // namespace instructblip
