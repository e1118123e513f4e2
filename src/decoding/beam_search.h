// Beam search, and its sampling variant.
#pragma once

#include "decoding/decode.h"

namespace instructblip {

// num_beams is above 1, num_return_sequences at most that.
DecodeResult search_beams(LanguageSession& session, const DecodeRequest& request);

}  // namespace instructblip
