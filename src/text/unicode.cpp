#include "text/unicode.h"

#include <algorithm>
#include <span>
#include <unordered_map>
#include <vector>

#include "core/utf8.h"

namespace instructblip::unicode {
namespace {

#include "text/unicode_tables.inc"

constexpr char32_t kHangulBase = 0xAC00, kHangulEnd = kHangulBase + 11172;
constexpr char32_t kHangulL = 0x1100, kHangulV = 0x1161, kHangulT = 0x11A7;
constexpr int kHangulVCount = 21, kHangulTCount = 28;

struct Range {
  char32_t first, last;
  std::int32_t value, more;
};

// A table of ranges with `values` numbers each, unpacked once.
class Ranges {
 public:
  Ranges(std::span<const std::int32_t> packed, std::size_t values) {
    const std::size_t stride = 2 + values;
    char32_t previous = 0;
    ranges_.reserve(packed.size() / stride);
    for (std::size_t i = 0; i + stride <= packed.size(); i += stride) {
      const char32_t first = previous + static_cast<char32_t>(packed[i]);
      previous = first + static_cast<char32_t>(packed[i + 1]) - 1;
      ranges_.push_back({first, previous, values > 0 ? packed[i + 2] : 1,  //
                         values > 1 ? packed[i + 3] : 0});
    }
  }

  const Range* find(char32_t code) const {
    const auto after = std::ranges::upper_bound(ranges_, code, {}, &Range::first);
    if (after == ranges_.begin()) return nullptr;
    const Range& range = *std::prev(after);
    return code <= range.last ? &range : nullptr;
  }
  bool contains(char32_t code) const { return find(code) != nullptr; }

 private:
  std::vector<Range> ranges_;
};

std::unordered_map<char32_t, std::u32string> unpack_decompositions() {
  std::unordered_map<char32_t, std::u32string> decompositions;
  char32_t code = 0;
  for (std::size_t i = 0; i < std::size(kDecomposition);) {
    code += static_cast<char32_t>(kDecomposition[i]);
    const std::int32_t length = kDecomposition[i + 1];
    std::u32string& codes = decompositions[code];
    for (std::int32_t k = 0; k < length; ++k) {
      codes += static_cast<char32_t>(kDecomposition[i + 2 + static_cast<std::size_t>(k)]);
    }
    i += 2 + static_cast<std::size_t>(length);
  }
  return decompositions;
}

}  // namespace

bool is_white_space(char32_t code) {
  static const Ranges ranges(kWhiteSpace, 0);
  return ranges.contains(code);
}

bool is_word(char32_t code) {
  static const Ranges ranges(kWord, 0);
  return ranges.contains(code);
}

bool is_numeric(char32_t code) {
  static const Ranges ranges(kNumeric, 0);
  return ranges.contains(code);
}

bool is_letter(char32_t code) {
  static const Ranges ranges(kLetter, 0);
  return ranges.contains(code);
}

bool is_number(char32_t code) {
  static const Ranges ranges(kNumber, 0);
  return ranges.contains(code);
}

bool is_punctuation(char32_t code) {
  static const Ranges ranges(kPunctuation, 0);
  return ranges.contains(code);
}

bool is_bert_dropped(char32_t code) {
  static const Ranges ranges(kBertDropped, 0);
  return ranges.contains(code);
}

bool is_non_spacing_mark(char32_t code) {
  static const Ranges ranges(kNonSpacingMark, 0);
  return ranges.contains(code);
}

bool is_combining_mark(char32_t code) {
  static const Ranges ranges(kCombiningMark, 0);
  return ranges.contains(code);
}

bool is_python_space(char32_t code) {
  return (code >= 0x1C && code <= 0x1F) || is_white_space(code);
}

std::size_t right_stripped_length(std::string_view text) {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < text.size();) {
    const auto decoded = utf8::decode(text.substr(i));
    i += decoded.length;
    if (!is_python_space(decoded.code_point)) kept = i;
  }
  return kept;
}

void append_lowercase(char32_t code, std::u32string& out) {
  static const Ranges ranges(kLowercase, 2);
  for (std::size_t i = 0; i < std::size(kLowercaseSpecial);) {
    const auto length = static_cast<std::size_t>(kLowercaseSpecial[i + 1]);
    if (static_cast<char32_t>(kLowercaseSpecial[i]) == code) {
      for (std::size_t k = 0; k < length; ++k) {
        out += static_cast<char32_t>(kLowercaseSpecial[i + 2 + k]);
      }
      return;
    }
    i += 2 + length;
  }
  const Range* range = ranges.find(code);
  const bool has_lowercase =
      range != nullptr && (code - range->first) % static_cast<char32_t>(range->value) == 0;
  out += has_lowercase ? code + static_cast<char32_t>(range->more) : code;
}

namespace {

// Whether the first of the codes that counts is a letter with case.
template <typename Iterator>
bool meets_case(Iterator code, Iterator end) {
  static const Ranges cased(kCased, 0), ignorable(kCaseIgnorable, 0);
  while (code != end && ignorable.contains(*code)) ++code;
  return code != end && cased.contains(*code);
}

}  // namespace

std::u32string python_lowercase(std::u32string_view text) {
  constexpr char32_t kCapitalSigma = 0x3A3, kFinalSigma = 0x3C2;
  std::u32string lower;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::u32string_view before = text.substr(0, i), after = text.substr(i + 1);
    if (text[i] == kCapitalSigma && meets_case(before.rbegin(), before.rend()) &&
        !meets_case(after.begin(), after.end())) {
      lower += kFinalSigma;
    } else {
      append_lowercase(text[i], lower);
    }
  }
  return lower;
}

void append_decomposition(char32_t code, std::u32string& out) {
  static const auto decompositions = unpack_decompositions();
  if (code >= kHangulBase && code < kHangulEnd) {
    const auto index = static_cast<int>(code - kHangulBase);
    out += kHangulL + static_cast<char32_t>(index / (kHangulVCount * kHangulTCount));
    out += kHangulV + static_cast<char32_t>(index / kHangulTCount % kHangulVCount);
    if (index % kHangulTCount != 0) out += kHangulT + static_cast<char32_t>(index % kHangulTCount);
    return;
  }
  const auto found = code < 0x80 ? decompositions.end() : decompositions.find(code);
  if (found == decompositions.end()) {
    out += code;
  } else {
    out += found->second;
  }
}

int combining_rank(char32_t code) {
  static const Ranges ranges(kCombiningClass, 1);
  const Range* range = ranges.find(code);
  return range == nullptr ? 0 : range->value;
}

GraphemeCategory grapheme_category(char32_t code) {
  static const Ranges ranges(kGraphemeCategory, 1);
  if (code >= kHangulBase && code < kHangulEnd) {
    return (code - kHangulBase) % kHangulTCount == 0 ? GraphemeCategory::hangul_lv
                                                     : GraphemeCategory::hangul_lvt;
  }
  const Range* range = ranges.find(code);
  return range == nullptr ? GraphemeCategory::any : static_cast<GraphemeCategory>(range->value);
}

bool is_indic_linker(char32_t code) {
  static const Ranges ranges(kIndicLinker, 0);
  return ranges.contains(code);
}

bool is_indic_extend(char32_t code) {
  static const Ranges ranges(kIndicExtend, 0);
  return ranges.contains(code);
}

}  // namespace instructblip::unicode
