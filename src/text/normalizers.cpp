#include "text/normalizers.h"

#include <algorithm>
#include <utility>

#include "text/graphemes.h"
#include "text/unicode.h"

namespace instructblip {
namespace {

// Graphemes from this many bytes of UTF-8 on are rewritten character by character.
constexpr std::size_t kWholeGraphemeBytes = 6;

std::size_t utf8_length(std::u32string_view text) {
  std::size_t bytes = 0;
  for (const char32_t code : text) {
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  }
  return bytes;
}

void map_codes(NormalizedText& text, const auto& map) {
  std::vector<Rewrite> rewrites;
  rewrites.reserve(text.codes().size());
  for (const char32_t code : text.codes()) rewrites.push_back({map(code), 0});
  text.transform(rewrites);
}

// Each character becomes what `expand` appends for it.
void expand_codes(NormalizedText& text, const auto& expand) {
  std::vector<Rewrite> rewrites;
  std::u32string codes;
  for (const char32_t code : text.codes()) {
    codes.clear();
    expand(code, codes);
    for (std::size_t i = 0; i < codes.size(); ++i) rewrites.push_back({codes[i], i > 0 ? 1 : 0});
  }
  text.transform(rewrites);
}

void decompose(NormalizedText& text) {
  std::vector<Rewrite> rewrites;
  std::u32string codes;
  for (const char32_t code : text.codes()) {
    codes.clear();
    unicode::append_decomposition(code, codes);
    for (std::size_t i = 0; i < codes.size(); ++i) rewrites.push_back({codes[i], i > 0 ? 1 : 0});
  }
  const auto is_starter = [](const Rewrite& r) { return unicode::combining_rank(r.code) == 0; };
  for (auto run = rewrites.begin(); run != rewrites.end();) {
    run = std::find_if_not(run, rewrites.end(), is_starter);
    const auto end = std::find_if(run, rewrites.end(), is_starter);
    std::ranges::stable_sort(run, end, {},
                             [](const Rewrite& r) { return unicode::combining_rank(r.code); });
    run = end;
  }
  text.transform(rewrites);
}

class Sequence final : public Normalizer {
 public:
  explicit Sequence(std::vector<NormalizerPtr> parts) : parts_(std::move(parts)) {}
  void apply(NormalizedText& text) const override {
    for (const NormalizerPtr& part : parts_) part->apply(text);
  }

 private:
  std::vector<NormalizerPtr> parts_;
};

class Prepend final : public Normalizer {
 public:
  explicit Prepend(std::u32string prefix) : prefix_(std::move(prefix)) {}
  void apply(NormalizedText& text) const override { text.prepend(prefix_); }

 private:
  std::u32string prefix_;
};

class Replace final : public Normalizer {
 public:
  Replace(Pattern pattern, std::u32string content)
      : pattern_(std::move(pattern)), content_(std::move(content)) {}
  void apply(NormalizedText& text) const override { text.replace(pattern_, content_); }

 private:
  Pattern pattern_;
  std::u32string content_;
};

class Precompiled final : public Normalizer {
 public:
  explicit Precompiled(Charsmap map) : map_(std::move(map)) {}

  void apply(NormalizedText& text) const override {
    const std::u32string_view codes = text.codes();
    std::vector<Rewrite> rewrites;
    bool modified = false;
    for (std::size_t begin = 0; begin < codes.size();) {
      const std::size_t end = grapheme_end(codes, begin);
      const std::u32string_view grapheme = codes.substr(begin, end - begin);
      begin = end;
      if (utf8_length(grapheme) < kWholeGraphemeBytes && rewrite(grapheme, rewrites)) {
        modified = true;
        continue;
      }
      for (std::size_t i = 0; i < grapheme.size(); ++i) {
        if (rewrite(grapheme.substr(i, 1), rewrites)) {
          modified = true;
        } else {
          rewrites.push_back({grapheme[i], 0});
        }
      }
    }
    if (modified) text.transform(rewrites);
  }

 private:
  bool rewrite(std::u32string_view part, std::vector<Rewrite>& rewrites) const {
    const std::optional<std::u32string> replacement = map_.transform(part);
    if (!replacement) return false;
    NormalizedText::check_length(rewrites.size() + replacement->size());
    for (const char32_t code : *replacement) rewrites.push_back({code, 0});
    const auto grown =
        static_cast<std::ptrdiff_t>(replacement->size()) - static_cast<std::ptrdiff_t>(part.size());
    if (grown > 0) {
      for (auto r = rewrites.end() - grown; r != rewrites.end(); ++r) r->change = 1;
    } else if (grown < 0 && !rewrites.empty()) {
      rewrites.back().change += static_cast<int>(grown);
    }
    return true;
  }

  Charsmap map_;
};

// The reference's ranges; the fifth starts 0x100 codes later than that of the original BERT.
bool is_chinese(char32_t c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) ||
         (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B73F) ||
         (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

class Bert final : public Normalizer {
 public:
  explicit Bert(const BertNormalizerOptions& options) : options_(options) {}

  void apply(NormalizedText& text) const override {
    if (options_.clean_text) {
      text.keep_if([](char32_t c) { return !unicode::is_bert_dropped(c); });
      map_codes(text, [](char32_t c) { return unicode::is_white_space(c) ? U' ' : c; });
    }
    if (options_.handle_chinese_chars) {
      std::vector<Rewrite> rewrites;
      for (const char32_t code : text.codes()) {
        if (is_chinese(code)) {
          rewrites.insert(rewrites.end(), {{U' ', 0}, {code, 1}, {U' ', 1}});
        } else {
          rewrites.push_back({code, 0});
        }
      }
      text.transform(rewrites);
    }
    if (options_.strip_accents.value_or(options_.lowercase)) {
      decompose(text);
      text.keep_if([](char32_t c) { return !unicode::is_non_spacing_mark(c); });
    }
    if (options_.lowercase) expand_codes(text, unicode::append_lowercase);
  }

 private:
  BertNormalizerOptions options_;
};

class Strip final : public Normalizer {
 public:
  Strip(bool left, bool right) : left_(left), right_(right) {}
  void apply(NormalizedText& text) const override { text.strip(left_, right_); }

 private:
  bool left_, right_;
};

class StripAccents final : public Normalizer {
 public:
  void apply(NormalizedText& text) const override {
    text.keep_if([](char32_t c) { return !unicode::is_combining_mark(c); });
  }
};

class Lowercase final : public Normalizer {
 public:
  void apply(NormalizedText& text) const override { expand_codes(text, unicode::append_lowercase); }
};

class Nfd final : public Normalizer {
 public:
  void apply(NormalizedText& text) const override { decompose(text); }
};

// Rules of the neural machine translation era: controls vanish, odd spaces become plain ones.
class Nmt final : public Normalizer {
 public:
  void apply(NormalizedText& text) const override {
    text.keep_if([](char32_t c) {
      return !((c >= 1 && c <= 8) || c == 0xB || (c >= 0xE && c <= 0x1F) || c == 0x7F ||
               c == 0x8F || c == 0x9F);
    });
    map_codes(text, [](char32_t c) {
      const bool space = c == 9 || c == 0xA || c == 0xC || c == 0xD || c == 0x1680 ||
                         (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 ||
                         c == 0x2581 || c == 0xFEFF || c == 0xFFFD;
      return space ? U' ' : c;
    });
  }
};

}  // namespace

NormalizerPtr sequence_normalizer(std::vector<NormalizerPtr> parts) {
  return std::make_shared<Sequence>(std::move(parts));
}
NormalizerPtr prepend_normalizer(std::u32string text) {
  return std::make_shared<Prepend>(std::move(text));
}
NormalizerPtr replace_normalizer(Pattern pattern, std::u32string content) {
  return std::make_shared<Replace>(std::move(pattern), std::move(content));
}
NormalizerPtr precompiled_normalizer(Charsmap map) {
  return std::make_shared<Precompiled>(std::move(map));
}
NormalizerPtr bert_normalizer(const BertNormalizerOptions& options) {
  return std::make_shared<Bert>(options);
}
NormalizerPtr strip_normalizer(bool left, bool right) {
  return std::make_shared<Strip>(left, right);
}
NormalizerPtr strip_accents_normalizer() { return std::make_shared<StripAccents>(); }
NormalizerPtr lowercase_normalizer() { return std::make_shared<Lowercase>(); }
NormalizerPtr nfd_normalizer() { return std::make_shared<Nfd>(); }
NormalizerPtr nmt_normalizer() { return std::make_shared<Nmt>(); }

}  // namespace instructblip
