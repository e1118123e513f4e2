// A language model in a directory of its own: is it the one that the checkpoint was trained with?
#pragma once

#include <filesystem>

#include "checkpoint/tensor_store.h"

namespace instructblip {

// Throws Error(bad_model) where `tensors` of `directory` are more than a language model.
void check_stands_alone(const TensorStore& tensors, const std::filesystem::path& directory);

// Whether there is a config.json in `directory` that says which model it is of: whatever language
// model the directory holds then has to be one that is known here.
bool describes_language_model(const std::filesystem::path& directory);

// Holds what config.json of `directory`, if it has one, says of a language model against
// text_config of the checkpoint's, in all that no shape tells. Throws Error(bad_model) where these
// weights would be computed with in another way than theirs (heads, activation, rotary positions),
// or where it is of another kind; warns where they may be those of another version (an epsilon, a
// token id), and where the directory's name is that of weights which are differences to others.
void check_same_language_model(const std::filesystem::path& directory,
                               const std::filesystem::path& checkpoint);

}  // namespace instructblip
