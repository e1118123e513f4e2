// Which keys of config.json the shape of a tensor follows from.
#pragma once

#include <string_view>

namespace instructblip {

struct ShapeKeys {
  std::string_view keys;  // "qformer_config.vocab_size and hidden_size", or a whole section
  std::string_view hint;  // what another shape may mean
};

// For a tensor by the name under which the stages look for it. Both texts are empty for one that no
// published model has.
ShapeKeys shape_keys_of(std::string_view tensor);

}  // namespace instructblip
