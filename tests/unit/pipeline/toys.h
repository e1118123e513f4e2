// The golden checkpoints and pictures, for tests of what a pipeline promises of any model.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "instructblip/pipeline.h"

namespace instructblip::test {

inline const std::filesystem::path kSource = INSTRUCTBLIP_SOURCE_DIR;

inline std::filesystem::path checkpoint(const std::string& name) {
  return kSource / "tests/golden/checkpoints" / name;
}

// A build without codecs reads another picture under each name.
inline Image picture(const std::string& name = "astronaut.jpg") {
  const std::filesystem::path file = kSource / "tests/data/images" / name;
  try {
    return Image::open(file);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::unsupported) throw;
  }
  constexpr int kWidth = 96, kHeight = 80;
  std::vector<std::uint8_t> noise;
  std::minstd_rand random(static_cast<unsigned>(name.size()));
  while (noise.size() < std::size_t{3} * kWidth * kHeight) {
    noise.push_back(static_cast<std::uint8_t>(random() >> 16));
  }
  return Image::adopt(std::move(noise), kWidth, kHeight);
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
