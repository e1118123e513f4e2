#include "text/pre_tokenizers.h"

#include <functional>
#include <utility>

#include "text/unicode.h"

namespace instructblip {
namespace {

// Replaces each piece that is still text by the parts that `spans_of` finds in it.
void split_pieces(std::vector<Piece>& pieces,
                  const std::function<std::vector<Span>(const NormalizedText&)>& spans_of) {
  std::vector<Piece> parts;
  parts.reserve(pieces.size());
  for (Piece& piece : pieces) {
    if (piece.id) {
      parts.push_back(std::move(piece));
      continue;
    }
    for (const Span& span : spans_of(piece.text)) {
      if (span.first < span.last) {
        parts.push_back({piece.text.slice(span.first, span.last), std::nullopt});
      }
    }
  }
  pieces = std::move(parts);
}

class SequenceOfPreTokenizers final : public PreTokenizer {
 public:
  explicit SequenceOfPreTokenizers(std::vector<PreTokenizerPtr> parts) : parts_(std::move(parts)) {}
  void apply(std::vector<Piece>& pieces) const override {
    for (const PreTokenizerPtr& part : parts_) part->apply(pieces);
  }

 private:
  std::vector<PreTokenizerPtr> parts_;
};

// Writes spaces as a visible character, one in front of the text too, and splits before each.
class Metaspace final : public PreTokenizer {
 public:
  explicit Metaspace(const MetaspaceOptions& options) : options_(options) {}

  void apply(std::vector<Piece>& pieces) const override {
    const std::u32string space(1, options_.replacement);
    for (Piece& piece : pieces) {
      if (piece.id) continue;
      piece.text.replace(space_, space);
      if (prepends_to(piece.text)) piece.text.prepend(space);
    }
    if (!options_.split) return;
    split_pieces(pieces, [&](const NormalizedText& text) {
      const auto is_space = [this](char32_t c) { return c == options_.replacement; };
      return split_spans(find_codes(text.codes(), is_space), SplitBehavior::merged_with_next);
    });
  }

 private:
  bool prepends_to(const NormalizedText& text) const {
    if (options_.prepend == PrependScheme::never) return false;
    if (options_.prepend == PrependScheme::first && !text.at_start()) return false;
    return text.empty() || text.codes().front() != options_.replacement;
  }

  MetaspaceOptions options_;
  Pattern space_ = Pattern::literal(U" ");
};

// Splits at every character for which `test` holds.
class CodeSplit final : public PreTokenizer {
 public:
  CodeSplit(bool (*test)(char32_t), SplitBehavior behavior) : test_(test), behavior_(behavior) {}
  void apply(std::vector<Piece>& pieces) const override {
    split_pieces(pieces, [this](const NormalizedText& text) {
      return split_spans(find_codes(text.codes(), test_), behavior_);
    });
  }

 private:
  bool (*test_)(char32_t);
  SplitBehavior behavior_;
};

class WhiteSpace final : public PreTokenizer {
 public:
  void apply(std::vector<Piece>& pieces) const override {
    split_pieces(pieces, [](const NormalizedText& text) {
      const std::u32string_view codes = text.codes();
      std::vector<Span> words;
      for (std::size_t i = 0; i < codes.size();) {
        const int kind = kind_of(codes[i]);
        std::size_t end = i + 1;
        while (end < codes.size() && kind_of(codes[end]) == kind) ++end;
        if (kind != kSpace) words.push_back({i, end, false});
        i = end;
      }
      return words;
    });
  }

 private:
  static constexpr int kSpace = 0;
  static int kind_of(char32_t c) {
    return unicode::is_word(c) ? 1 : unicode::is_white_space(c) ? kSpace : 2;
  }
};

class PatternSplit final : public PreTokenizer {
 public:
  PatternSplit(Pattern pattern, SplitBehavior behavior, bool invert)
      : pattern_(std::move(pattern)), behavior_(behavior), invert_(invert) {}
  void apply(std::vector<Piece>& pieces) const override {
    split_pieces(pieces, [this](const NormalizedText& text) {
      std::vector<Span> spans = pattern_.find(text.codes());
      for (Span& span : spans) span.matched = span.matched != invert_;
      return split_spans(std::move(spans), behavior_);
    });
  }

 private:
  Pattern pattern_;
  SplitBehavior behavior_;
  bool invert_;
};

}  // namespace

PreTokenizerPtr sequence_pre_tokenizer(std::vector<PreTokenizerPtr> parts) {
  return std::make_shared<SequenceOfPreTokenizers>(std::move(parts));
}
PreTokenizerPtr metaspace_pre_tokenizer(const MetaspaceOptions& options) {
  return std::make_shared<Metaspace>(options);
}
PreTokenizerPtr white_space_split_pre_tokenizer() {
  return std::make_shared<CodeSplit>(unicode::is_white_space, SplitBehavior::removed);
}
PreTokenizerPtr white_space_pre_tokenizer() { return std::make_shared<WhiteSpace>(); }
PreTokenizerPtr bert_pre_tokenizer() {
  return sequence_pre_tokenizer(
      {white_space_split_pre_tokenizer(), punctuation_pre_tokenizer(SplitBehavior::isolated)});
}
PreTokenizerPtr punctuation_pre_tokenizer(SplitBehavior behavior) {
  return std::make_shared<CodeSplit>(unicode::is_punctuation, behavior);
}
PreTokenizerPtr digits_pre_tokenizer(bool individual) {
  return std::make_shared<CodeSplit>(
      unicode::is_numeric, individual ? SplitBehavior::isolated : SplitBehavior::contiguous);
}
PreTokenizerPtr split_pre_tokenizer(Pattern pattern, SplitBehavior behavior, bool invert) {
  return std::make_shared<PatternSplit>(std::move(pattern), behavior, invert);
}

}  // namespace instructblip
