// A language model in a directory of its own: is it the one that the checkpoint was trained with?
#pragma once

#include <filesystem>

#include "checkpoint/model_config.h"
#include "checkpoint/tensor_store.h"

namespace instructblip {

// Throws Error(bad_model) where `tensors` of `directory` are more than a language model.
void check_stands_alone(const TensorStore& tensors, const std::filesystem::path& directory);

// Warns where the directory's own config.json, if it has one, says other than `config` about what
// no shape tells, as that of another version of Vicuna does; and where its name is that of weights
// which are differences to others. Throws Error(bad_model) where rotary positions are scaled
// otherwise.
void warn_of_other_version(const std::filesystem::path& directory, const LanguageConfig& config);

}  // namespace instructblip
