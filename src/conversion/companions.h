// The files of a checkpoint that are not weights.
#pragma once

#include <filesystem>

#include "core/json.h"

namespace instructblip {

// Copies config.json, with `edits`, and the files of tokenizers, processors and licences that lie
// in `from` and in its qformer_tokenizer to `to`. Throws Error(io), or as Json::read().
void copy_companions(const std::filesystem::path& from, const std::filesystem::path& to,
                     const Json::Edits& edits);

}  // namespace instructblip
