// The golden checkpoints and pictures, for tests of what a pipeline promises of any model.
#pragma once

#include <filesystem>
#include <string>

#include "instructblip/pipeline.h"

namespace instructblip::test {

inline const std::filesystem::path kSource = INSTRUCTBLIP_SOURCE_DIR;

inline std::filesystem::path checkpoint(const std::string& name) {
  return kSource / "tests/golden/checkpoints" / name;
}

inline Image picture(const std::string& name = "astronaut.jpg") {
  return Image::open(kSource / "tests/data/images" / name);
}

// So many, no fewer.
inline GenerationConfig tokens(int count) {
  GenerationConfig config;
  config.max_new_tokens = count;
  config.min_new_tokens = count;
  return config;
}

}  // namespace instructblip::test
