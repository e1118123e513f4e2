// How likely given answers are: a search that has nothing to choose.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "decoding/search.h"

namespace instructblip {

// Each candidate has a token at least. Beginnings that candidates share are
// run once. Of `request` only the deadline and the stop token count; the result has the candidates
// in their order, with the log probability of each token and, as the score, their sum.
// Errors: invalid_argument (a token that is not below `vocabulary`); from next(), besides what it
// always throws, cancelled.
std::unique_ptr<Search> make_candidate_scoring(DecodeRequest request,
                                               std::vector<std::vector<std::int32_t>> candidates,
                                               std::int64_t vocabulary);

}  // namespace instructblip
