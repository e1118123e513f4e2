// Beam search as transformers 4.33 has it.
#pragma once

#include <cstddef>
#include <memory>

#include "decoding/search.h"

namespace instructblip {

// num_beams is above 1, num_return_sequences at most that.
std::unique_ptr<Search> make_heap_beam_search(DecodeRequest request, std::size_t vocabulary);

}  // namespace instructblip
