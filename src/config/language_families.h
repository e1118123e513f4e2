// The readers of text_config, one for each kind of language model.
#pragma once

#include "config/text_config.h"

namespace instructblip {

TextConfig read_mt5(const ConfigSection& text, Writer writer);
TextConfig read_t5(const ConfigSection& text, Writer writer);
TextConfig read_llama(const ConfigSection& text, Writer writer);
TextConfig read_mistral(const ConfigSection& text, Writer writer);
TextConfig read_opt(const ConfigSection& text, Writer writer);

}  // namespace instructblip
