// The rotary positions of a LLaMA, as its config describes them.
#pragma once

#include "config/config_section.h"
#include "config/language_config.h"
#include "config/text_config.h"

namespace instructblip {

// Sets rope_theta and rope_scaling of `config`, whose other members have been read: from rope_theta
// and rope_scaling, or from rope_parameters (transformers 5). Throws Error(unsupported) for types
// of scaling that are not known here, and Error(bad_model) where a number that a type needs is
// missing.
void read_rope(const ConfigSection& text, Writer writer, LlamaConfig& config);

}  // namespace instructblip
