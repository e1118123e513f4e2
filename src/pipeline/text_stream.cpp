#include "pipeline/text_stream.h"

#include <algorithm>

#include "decoding/stops.h"
#include "text/unicode.h"

namespace instructblip {
std::string TextStream::put(std::int32_t id) {
  detokenizer_.put(id);
  return emit_to(safe_length());
}

std::string TextStream::finish() {
  detokenizer_.finish();
  const std::string_view text = detokenizer_.text();
  if (const auto stop = find_stop(text, stops_)) {
    // The answer is stripped where it is cut as well.
    return emit_to(unicode::right_stripped_length(text.substr(0, *stop)));
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
  if (const auto stop = find_stop(text, stops_))
    return unicode::right_stripped_length(text.substr(0, *stop));
  // The longest end of the text that begins a stop string.
  std::size_t held = 0;
  for (const std::string& stop : stops_) {
    for (std::size_t n = std::min(stop.size() - 1, text.size()); n > held; --n) {
      if (std::string_view(stop).substr(0, n) == text.substr(text.size() - n)) held = n;
    }
  }
  return unicode::right_stripped_length(text.substr(0, text.size() - held));
}

}  // namespace instructblip
