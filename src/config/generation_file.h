// generation_config.json, for the models whose own generate() the reference calls.
#pragma once

#include <filesystem>

#include "config/config_section.h"
#include "config/text_config.h"

namespace instructblip {

struct GenerationSources {
  const std::filesystem::path& directory;
  const ConfigSection& top;   // config.json
  const ConfigSection& text;  // its text_config
  Writer writer;
  std::int64_t vocabulary;
};

// The settings that such a model starts from: those of generation_config.json, or where there is
// none those of config.json, whose upper level comes before its text_config, read as `text`
// already. The families that hand over to their language model know the latter alone.
TextGenerationDefaults read_own_generation_defaults(const GenerationSources& sources,
                                                    TextGenerationDefaults text);

}  // namespace instructblip
