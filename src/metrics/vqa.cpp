#include <algorithm>
#include <array>
#include <set>
#include <string>
#include <unordered_map>

#include "core/boundary.h"
#include "instructblip/metrics.h"
#include "metrics/characters.h"

namespace instructblip {
namespace {

constexpr std::string_view kPunctuation = ";/[]\"{}()=+\\_-><@`,?!";
constexpr std::array<std::string_view, 3> kArticles = {"a", "an", "the"};

constexpr std::array<std::pair<std::string_view, std::string_view>, 12> kNumbers = {
    {{"none", "0"},
     {"zero", "0"},
     {"one", "1"},
     {"two", "2"},
     {"three", "3"},
     {"four", "4"},
     {"five", "5"},
     {"six", "6"},
     {"seven", "7"},
     {"eight", "8"},
     {"nine", "9"},
     {"ten", "10"}}};

// Contractions of the evaluation's table: each is what it becomes without one of its apostrophes.
constexpr std::string_view kContractions =
    "ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't hadn't've hasn't "
    "haven't he'd he'd've he's how'd how'll how's isn't it'd it'd've it'll ma'am mightn't "
    "mightn't've might've mustn't must've needn't not've o'clock oughtn't 'ow's'at shan't she'd've "
    "should've shouldn't shouldn't've somebody'd've somebody'll somebody's someone'd someone'd've "
    "someone'll someone's something'd something'd've something'll that's there'd there'd've "
    "there're there's they'd they'd've they'll they're they've 'twas wasn't we'd've we've weren't "
    "what'll what're what's what've when's where'd where's where've who'd who'd've who'll who's "
    "who've why'll why're why's won't would've wouldn't wouldn't've y'all y'all'll y'all'd've "
    "you'd you'd've you'll you're you've";

using Words = std::unordered_map<std::string, std::string>;

const Words& contractions() {
  static const Words all = [] {
    Words words = {{"somebody'd", "somebodyd"}};  // as the table has it
    std::string_view rest = kContractions;
    while (!rest.empty()) {
      const std::string word(rest.substr(0, rest.find(' ')));
      rest.remove_prefix(std::min(rest.size(), word.size() + 1));
      for (std::size_t at = 0; (at = word.find('\'', at)) != std::string::npos; ++at) {
        words.emplace(std::string(word).erase(at, 1), word);
      }
    }
    return words;
  }();
  return all;
}

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

bool has_digit_comma_digit(std::string_view text) {
  for (std::size_t i = 1; i + 1 < text.size(); ++i) {
    if (text[i] == ',' && is_digit(text[i - 1]) && is_digit(text[i + 1])) return true;
  }
  return false;
}

// processPunctuation(). The script hands re.UNICODE, 32, to sub() as the number of full stops that
// are taken out.
std::string without_punctuation(std::string_view text) {
  constexpr int kMostStops = 32;
  std::string out(text);
  const bool has_number = has_digit_comma_digit(text);
  for (const char mark : kPunctuation) {
    const bool beside_space = text.find(std::string{mark, ' '}) != std::string_view::npos ||
                              text.find(std::string{' ', mark}) != std::string_view::npos;
    if (beside_space || has_number) {
      std::erase(out, mark);
    } else {
      std::ranges::replace(out, mark, ' ');
    }
  }
  std::string kept;
  int stops = 0;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const bool before_digit = i + 1 < out.size() && is_digit(out[i + 1]);
    if (out[i] == '.' && !before_digit && stops++ < kMostStops) continue;
    kept += out[i];
  }
  return kept;
}

// processDigitArticle().
std::string with_digits(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    if (is_space(text[i])) {
      ++i;
      continue;
    }
    std::string word;
    for (; i < text.size() && !is_space(text[i]); ++i) word += text[i];
    const auto number = std::ranges::find(kNumbers, std::string_view(word),
                                          &std::pair<std::string_view, std::string_view>::first);
    if (number != kNumbers.end()) word = number->second;
    if (std::ranges::find(kArticles, word) != kArticles.end()) continue;
    if (const auto found = contractions().find(word); found != contractions().end()) {
      word = found->second;
    }
    out += (out.empty() ? "" : " ") + word;
  }
  return out;
}

std::string stripped(std::string_view text) {
  std::string out(text);
  std::ranges::replace_if(
      out, [](char c) { return c == '\n' || c == '\t'; }, ' ');
  const auto is_word = [](char c) { return !is_space(c); };
  out.erase(out.begin(), std::ranges::find_if(out, is_word));
  while (!out.empty() && is_space(out.back())) out.pop_back();
  return out;
}

}  // namespace

std::string normalised_answer(std::string_view answer) {
  return at_boundary([&] { return with_digits(without_punctuation(stripped(answer))); });
}

double vqa_accuracy(std::string_view answer, std::span<const std::string> of_people) {
  return at_boundary([&] {
    if (of_people.empty()) {
      throw Error(ErrorCode::invalid_argument,
                  "vqa_accuracy: expected the answer of one person at least, got none");
    }
    const std::string own = normalised_answer(answer);
    // Only where people differ are their answers touched.
    const bool differ = std::set<std::string>(of_people.begin(), of_people.end()).size() > 1;
    std::vector<bool> agree;
    for (const std::string& one : of_people) {
      agree.push_back(own == (differ ? without_punctuation(one) : one));
    }
    const auto all = static_cast<double>(std::ranges::count(agree, true));
    double sum = 0;
    for (const bool one : agree) sum += std::min(1.0, (all - (one ? 1 : 0)) / 3);
    return sum / static_cast<double>(of_people.size());
  });
}

double exact_match(std::string_view answer, std::span<const std::string> right) {
  return at_boundary([&] {
    const std::string own = normalised_answer(answer);
    return std::ranges::find(right, own) == right.end() ? 0.0 : 1.0;
  });
}

}  // namespace instructblip
