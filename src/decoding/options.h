// From the options that were asked for to the ones that take effect.
#pragma once

#include <cstdint>

#include "config/model_config.h"
#include "instructblip/generation.h"

namespace instructblip {

// Checks what can be checked without a model: every range, and the options against each other as
// far as they are given. Throws Error(invalid_argument) with all problems.
void validate_options(const GenerationConfig& asked);

// Fills every option: what was asked for, else the generation keys of text_config, else the
// default; a seed is drawn where none is given. Options without effect are warned about in the log.
//
// `prompt_ids` is what the reference's max_length and min_length count besides new tokens: the ids
// of the prompt, image placeholders included, for a decoder-only model, the start token (1) for T5.
// A max_length of 20 in text_config is the reference's own default, which older config files spell
// out; it counts as absent.
//
// Throws Error(invalid_argument) with all problems of the options, Error(bad_model) with all of
// text_config.
GenerationConfig resolve_options(const GenerationConfig& asked, const TextGenerationDefaults& model,
                                 std::int64_t prompt_ids);

}  // namespace instructblip
