// What a golden.json asks and expects; README.md explains its fields.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/json.h"
#include "instructblip/pipeline.h"

namespace instructblip::test {

inline const std::filesystem::path kCheckpoints =
    std::filesystem::path(INSTRUCTBLIP_SOURCE_DIR) / "tests/golden/checkpoints";

std::vector<std::int32_t> ids_of(const Json& json);
GenerationConfig options_of(const Json& options);
bool interpolates(const Json& request);
// The picture of a request, or the several of a video.
std::vector<Image> images_of(const Json& request);

void expect_equal(const Generation& got, const Json& request);
// Every request of the golden checkpoint `name` that interpolates positions, or that does not.
void expect_golden_answers(const Pipeline& pipeline, const std::string& name,
                           bool interpolating = false);

// Tokens of up to three of the same requests that do not interpolate, and the logits of the first
// one's first new token.
std::vector<std::vector<std::int32_t>> answers_of(const Pipeline& pipeline,
                                                  const std::string& name);
std::vector<float> logits_of(const Pipeline& pipeline, const std::string& name);

}  // namespace instructblip::test
