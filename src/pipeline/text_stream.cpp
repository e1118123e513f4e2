#include "pipeline/text_stream.h"

#include <algorithm>

#include "core/utf8.h"
#include "decoding/stops.h"
#include "text/unicode.h"

namespace instructblip {
namespace {

// Without the white space at its end: the answer is stripped where it is cut as well.
std::size_t stripped_length(std::string_view text) {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < text.size();) {
    const auto decoded = utf8::decode(text.substr(i));
    i += decoded.length;
    if (!unicode::is_python_space(decoded.code_point)) kept = i;
  }
  return kept;
}

}  // namespace

std::string TextStream::put(std::int32_t id) {
  detokenizer_.put(id);
  return emit_to(safe_length());
}

std::string TextStream::finish() {
  detokenizer_.finish();
  const std::string_view text = detokenizer_.text();
  if (const auto stop = find_stop(text, stops_)) {
    return emit_to(stripped_length(text.substr(0, *stop)));
  }
  return emit_to(text.size());
}

std::string TextStream::emit_to(std::size_t end) {
  if (end <= emitted_) return {};
  std::string piece = detokenizer_.text().substr(emitted_, end - emitted_);
  emitted_ = end;
  return piece;
}

std::size_t TextStream::safe_length() const {
  const std::string_view text = detokenizer_.text();
  if (stops_.empty()) return text.size();
  if (const auto stop = find_stop(text, stops_)) return stripped_length(text.substr(0, *stop));
  // The longest end of the text that begins a stop string.
  std::size_t held = 0;
  for (const std::string& stop : stops_) {
    for (std::size_t n = std::min(stop.size() - 1, text.size()); n > held; --n) {
      if (std::string_view(stop).substr(0, n) == text.substr(text.size() - n)) held = n;
    }
  }
  return stripped_length(text.substr(0, text.size() - held));
}

}  // namespace instructblip
