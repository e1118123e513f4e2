// How a normalised text is split into the words that the model sees one at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "text/normalized_text.h"
#include "text/pattern.h"

namespace instructblip {

// A part of the instruction: still text, or already the id of an added token.
struct Piece {
  NormalizedText text;
  std::optional<std::int32_t> id;
};

// Immutable; named after the reference's classes. None of them leaves empty pieces.
class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  // Splits the pieces that are still text.
  virtual void apply(std::vector<Piece>& pieces) const = 0;
};
using PreTokenizerPtr = std::shared_ptr<const PreTokenizer>;

enum class PrependScheme { always, first, never };

struct MetaspaceOptions {
  char32_t replacement = 0x2581;
  PrependScheme prepend = PrependScheme::always;
  bool split = true;
};

PreTokenizerPtr sequence_pre_tokenizer(std::vector<PreTokenizerPtr> parts);
PreTokenizerPtr metaspace_pre_tokenizer(const MetaspaceOptions& options);
PreTokenizerPtr white_space_split_pre_tokenizer();
PreTokenizerPtr white_space_pre_tokenizer();  // \w+|[^\w\s]+
PreTokenizerPtr bert_pre_tokenizer();
PreTokenizerPtr punctuation_pre_tokenizer(SplitBehavior behavior);
PreTokenizerPtr digits_pre_tokenizer(bool individual);
PreTokenizerPtr split_pre_tokenizer(Pattern pattern, SplitBehavior behavior, bool invert);

}  // namespace instructblip
