// Greedy search and sampling: rows that do not look at each other.
#pragma once

#include <cstddef>
#include <memory>

#include "decoding/search.h"

namespace instructblip {

// num_beams is 1; num_return_sequences rows, one unless tokens are drawn.
std::unique_ptr<Search> make_row_search(DecodeRequest request, std::size_t vocabulary);

}  // namespace instructblip
