#include "instructblip/text_processors.h"

#include <cstddef>
#include <string>

#include "core/utf8.h"
#include "instructblip/error.h"
#include "text/unicode.h"

namespace instructblip {
namespace {

constexpr std::u32string_view kPunctuation = U".!\"()*#:;~";

bool is_punctuation(char32_t code) { return kPunctuation.find(code) != std::u32string_view::npos; }

std::u32string lowercase_of(std::string_view text, int max_words) {
  if (const auto offset = utf8::find_invalid(text)) {
    throw Error(ErrorCode::invalid_argument,
                "the text is not valid UTF-8 at byte " + std::to_string(*offset));
  }
  if (max_words < 1) {
    throw Error(ErrorCode::invalid_argument,
                "max_words: expected at least 1, got " + std::to_string(max_words));
  }
  return unicode::python_lowercase(utf8::to_utf32(text));
}

void strip_end(std::u32string& text, char32_t code) {
  while (text.ends_with(code)) text.pop_back();
}

// Python's split(" ")[:max_words], joined again: two spaces have a word between them.
std::string first_words(const std::u32string& text, int max_words) {
  std::size_t end = 0;
  for (int words = 0; words < max_words; ++words) {
    end = text.find(U' ', words == 0 ? 0 : end + 1);
    if (end == std::u32string::npos) break;
  }
  return utf8::from_utf32(std::u32string_view(text).substr(0, end));
}

}  // namespace

std::string blip_question(std::string_view text, int max_words) {
  std::u32string question = lowercase_of(text, max_words);
  std::erase_if(question, is_punctuation);
  strip_end(question, U' ');
  return first_words(question, max_words);
}

std::string blip_caption(std::string_view text, int max_words) {
  const std::u32string lower = lowercase_of(text, max_words);
  std::u32string caption;
  for (std::size_t i = 0; i < lower.size();) {
    std::size_t end = i;
    const auto is_space = [&](char32_t code) {
      return is_punctuation(code) || unicode::is_python_space(code);
    };
    while (end < lower.size() && is_space(lower[end])) ++end;
    if (end == i) {
      caption += lower[i++];
      continue;
    }
    // A single white space stays what it is.
    caption += end - i > 1 || is_punctuation(lower[i]) ? U' ' : lower[i];
    i = end;
  }
  strip_end(caption, U'\n');
  strip_end(caption, U' ');
  caption.erase(0, caption.find_first_not_of(U' '));
  return first_words(caption, max_words);
}

}  // namespace instructblip
