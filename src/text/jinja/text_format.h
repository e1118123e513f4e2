// Python's two ways to put values into a text.
#pragma once

#include <string>

#include "text/jinja/interpreter.h"

namespace instructblip::jinja {

// `text % values`, as far as %s, %r, %d, %f, %x, %o and %c go, with widths and precisions. `values`
// is one value, a tuple of them, or a dict for %(name)s.
std::string formatted(const std::string& text, const Value& values, int line);

// text.format(...): {}, {0} and {name}, with a width, an alignment, and the types s, d, x and f.
std::string formatted_in_braces(const std::string& text, const Arguments& arguments);

// With so many digits behind the point, whatever the locale.
std::string fixed(double value, int digits);

// `text` between fillings, so that it has `width` characters; `side` is '<', '>' or '^'.
std::string padded(const std::string& text, std::int64_t width, char32_t fill, char side);

}  // namespace instructblip::jinja
