// Characters as the metrics' own tokenizers tell them apart.
#pragma once

namespace instructblip {

inline bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace instructblip
