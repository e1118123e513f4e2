// Candidate answers and how likely they are.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "instructblip/ranking.h"
#include "pipeline/model.h"

namespace instructblip {

// As Pipeline::rank().
std::vector<RankedCandidate> rank(const Model& model, std::span<const Image> images,
                                  std::string_view instruction,
                                  std::span<const std::string> candidates,
                                  const RankOptions& options, const Control& control);
std::vector<RankedCandidate> rank(const Model& model, const EncodedPictures& features,
                                  std::string_view instruction,
                                  std::span<const std::string> candidates,
                                  const RankOptions& options, const Control& control);

}  // namespace instructblip
