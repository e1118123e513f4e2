/// LAVIS's text processors: what its tasks make of a question or a caption before it becomes a part
/// of an instruction. Its generate() itself changes no text, and nor does Pipeline.
/// Source: lavis/processors/blip_processors.py at commit 506965b.
///
/// Threads: may be called from any thread at once.
#pragma once

#include <string>
#include <string_view>

#include "instructblip/export.h"

namespace instructblip {

/// Lower case, without . ! " ( ) * # : ; ~ and spaces at the end; at most `max_words` runs between
/// spaces. `text` is UTF-8. Errors: invalid_argument (not UTF-8, max_words below 1).
INSTRUCTBLIP_API std::string blip_question(std::string_view text, int max_words = 50);

/// Lower case, with a space for each of the same characters and for white space of two or more,
/// and none at the ends; at most `max_words` words. Errors: the same.
INSTRUCTBLIP_API std::string blip_caption(std::string_view text, int max_words = 50);

}  // namespace instructblip
