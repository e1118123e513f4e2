// Greedy search and sampling: rows that do not look at each other.
#pragma once

#include "decoding/decode.h"

namespace instructblip {

// num_beams is 1; num_return_sequences rows, one unless tokens are drawn.
DecodeResult search_rows(LanguageSession& session, const DecodeRequest& request);

}  // namespace instructblip
