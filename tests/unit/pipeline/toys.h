// The golden checkpoints and pictures, for tests of what a pipeline promises of any model.
#pragma once

#include <filesystem>
#include <map>
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

// Loaded once in the process, since tests only read it, and without caches, so that every stage
// runs in every test.
inline const Pipeline& without_cache(const std::string& name) {
  static std::map<std::string, Pipeline> loaded;
  auto found = loaded.find(name);
  if (found == loaded.end()) {
    found = loaded.emplace(name, Pipeline::load(checkpoint(name), {.cache_bytes = 0})).first;
  }
  return found->second;
}

// So many, no fewer.
inline GenerationConfig tokens(int count) {
  GenerationConfig config;
  config.max_new_tokens = count;
  config.min_new_tokens = count;
  return config;
}

}  // namespace instructblip::test
