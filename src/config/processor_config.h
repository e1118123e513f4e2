// Settings of the reference's processor that have to agree with config.json: it writes a
// placeholder for every row of a picture that the model makes.
#pragma once

#include <filesystem>

#include "config/image_config.h"
#include "config/model_config.h"
#include "config/retrieval_config.h"

namespace instructblip {

// Holds processor_config.json and tokenizer_config.json of `directory`, where there are such,
// against its config.json. Throws Error: not_found where no file has settings of pictures and the
// defaults are of another size, bad_model where the reference would answer without a part of the
// picture or fail, unsupported for another text than the family's that stands for a picture. Keys
// that are missing, as in directories of older releases, contradict nothing. Warns where
// AutoProcessor would take a processor of another family.
void check_processor_config(const std::filesystem::path& directory, const ModelConfig& config,
                            const ImageConfig& pixels);
void check_processor_config(const std::filesystem::path& directory, const RetrievalConfig& config,
                            const ImageConfig& pixels);

}  // namespace instructblip
