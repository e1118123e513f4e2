// Words of captions, as the Stanford tokenizer 3.4.1 with -preserveLines -lowerCase tells them
// apart, without those that the COCO evaluation takes for punctuation.
#include <algorithm>
#include <array>
#include <string>

#include "core/boundary.h"
#include "instructblip/metrics.h"
#include "metrics/characters.h"

namespace instructblip {
namespace {

bool is_letter(char c) {  // bytes of UTF-8 beyond ASCII are taken for letters
  return (c >= 'a' && c <= 'z') || static_cast<unsigned char>(c) >= 0x80;
}
bool is_word(char c) { return is_letter(c) || is_digit(c); }

// Keep their full stop.
constexpr std::array<std::string_view, 22> kAbbreviations = {
    "mr",  "mrs", "ms",  "dr",  "st", "jr",  "sr", "vs",   "etc", "ave", "prof",
    "rev", "gen", "col", "sgt", "lt", "inc", "co", "corp", "ltd", "mt",  "capt"};

// Written as one word, and two to the tokenizer: how many letters the first has.
constexpr std::array<std::pair<std::string_view, std::size_t>, 5> kTwoWords = {
    {{"cannot", 3}, {"gonna", 3}, {"gotta", 3}, {"wanna", 3}, {"lemme", 3}}};

// Behind a word with an apostrophe of their own.
constexpr std::array<std::string_view, 6> kClitics = {"'s", "'m", "'d", "'ll", "'re", "'ve"};

class Reader {
 public:
  explicit Reader(std::string text) : text_(std::move(text)) {}

  std::string words() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == ' ' || (c >= '\t' && c <= '\r')) {
        ++at_;
      } else if (is_word(c)) {
        word();
      } else {
        mark(c);
      }
    }
    return std::move(out_);
  }

 private:
  char peek(std::size_t ahead) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }

  // Whether the character at this place goes on with a word that has `before` in front of it.
  bool joins(std::size_t place, char before) const {
    const char c = place < text_.size() ? text_[place] : '\0';
    const char next = place + 1 < text_.size() ? text_[place + 1] : '\0';
    if (is_word(c)) return true;
    if (c == '-' || c == '/') return is_word(before) && is_word(next);
    if (c == '.' || c == ',' || c == ':') {
      return (is_digit(before) && is_digit(next)) ||
             (c == '.' && is_letter(before) && is_letter(next));
    }
    return false;
  }

  void word() {
    std::size_t end = at_ + 1;
    while (joins(end, text_[end - 1])) ++end;
    std::string word = text_.substr(at_, end - at_);
    // "o'clock" is one word.
    if (word == "o" && text_.substr(end).starts_with("'clock")) {
      word += "'clock";
      end += 6;
    }
    const bool has_stop = word.find('.') != std::string::npos && !is_digit(word.front());
    const bool is_short = std::ranges::find(kAbbreviations, word) != kAbbreviations.end();
    if (end < text_.size() && text_[end] == '.' && (has_stop || is_short)) {
      word += '.';
      ++end;
    }
    at_ = end;
    put_word(word);
  }

  void put_word(std::string word) {
    for (const auto& [whole, first] : kTwoWords) {
      if (word != whole) continue;
      put(word.substr(0, first));
      put(word.substr(first));
      return;
    }
    const std::string_view rest = std::string_view(text_).substr(at_);
    if (word.size() > 1 && word.ends_with('n') && rest.starts_with("'t") && !is_word(peek(2))) {
      word.pop_back();
      put(word);
      put("n't");
      at_ += 2;
      return;
    }
    put(word);
    for (const std::string_view clitic : kClitics) {
      if (!rest.starts_with(clitic) || is_word(peek(clitic.size()))) continue;
      put(clitic);
      at_ += clitic.size();
      return;
    }
  }

  // Punctuation is dropped; brackets are words, and so is what else there is.
  void mark(char c) {
    ++at_;
    constexpr std::string_view kDropped = "'`.?!,:-;";
    if (kDropped.find(c) != std::string_view::npos) return;
    if (c == '"') return;  // '' or ``
    constexpr std::string_view kBrackets = "()[]{}";
    constexpr std::array<std::string_view, 6> kNames = {"-lrb-", "-rrb-", "-lsb-",
                                                        "-rsb-", "-lcb-", "-rcb-"};
    const std::size_t bracket = kBrackets.find(c);
    put(bracket == std::string_view::npos ? std::string(1, c) : std::string(kNames[bracket]));
  }

  void put(std::string_view word) {
    if (!out_.empty()) out_ += ' ';
    out_ += word;
  }

  std::string text_, out_;
  std::size_t at_ = 0;
};

}  // namespace

std::string caption_words(std::string_view caption) {
  return at_boundary([&] {
    std::string small(caption);
    for (char& c : small) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    return Reader(std::move(small)).words();
  });
}

}  // namespace instructblip
