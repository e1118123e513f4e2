// Extended grapheme clusters, as Unicode Standard Annex 29 has them in version 16.
#pragma once

#include <cstddef>
#include <string_view>

namespace instructblip {

// The end of the cluster that starts at `begin`, which must be a boundary; linear in its length.
std::size_t grapheme_end(std::u32string_view text, std::size_t begin);

}  // namespace instructblip
