// How likely given answers are: a search that has nothing to choose.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "decoding/search.h"

namespace instructblip {

// What is kept of the candidates at once: each row of a step takes memory for every token of its
// text behind the prompt.
struct ScoringLimits {
  std::size_t rows = 64;      // rows of a step
  std::size_t tokens = 2048;  // those rows times the tokens that the longest of them has to come
};

// Each candidate has a token at least. The candidates form a trie, and every beginning that goes on
// is run once: where more beginnings are to be run than the limits allow, some are followed to
// their ends, and the model goes back for the others. Of `request` only the deadline and the stop
// token count; the result has the candidates in their order, with the log probability of each token
// and, as the score, their sum.
// Errors: invalid_argument (a token that is not below `vocabulary`); from next(), besides what it
// always throws, cancelled.
std::unique_ptr<Search> make_candidate_scoring(DecodeRequest request,
                                               std::vector<std::vector<std::int32_t>> candidates,
                                               std::int64_t vocabulary,
                                               const ScoringLimits& limits = {});

}  // namespace instructblip
