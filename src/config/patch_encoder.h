// What vision encoders of square patches have in common in config.json.
#pragma once

#include <string>

#include "config/config_section.h"

namespace instructblip {

// `config` holds the defaults of its family, which says how it names its activation when it says
// nothing.
template <typename Config>
void read_patch_encoder(const ConfigSection& section, const std::string& activation,
                        Config& config) {
  config.hidden = section.size("hidden_size", config.hidden);
  config.feed_forward = section.size("intermediate_size", config.feed_forward);
  config.layers = section.layers("num_hidden_layers", config.layers);
  config.heads = section.heads_of("num_attention_heads", config.heads, config.hidden);
  config.image_size = section.size("image_size", config.image_size);
  config.patch_size = section.size("patch_size", config.patch_size);
  if (config.patch_size > config.image_size) {
    section.fail("patch_size", "at most image_size " + std::to_string(config.image_size),
                 std::to_string(config.patch_size));
  }
  config.activation = section.activation("hidden_act", activation);
  config.layer_norm_eps = section.positive("layer_norm_eps", config.layer_norm_eps);
}

}  // namespace instructblip
