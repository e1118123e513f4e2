// What is done to a text before it is split into words.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "text/charsmap.h"
#include "text/normalized_text.h"
#include "text/pattern.h"

namespace instructblip {

// Immutable; named after the reference's classes.
class Normalizer {
 public:
  virtual ~Normalizer() = default;
  virtual void apply(NormalizedText& text) const = 0;
};
using NormalizerPtr = std::shared_ptr<const Normalizer>;

struct BertNormalizerOptions {
  bool clean_text = true;
  bool handle_chinese_chars = true;
  std::optional<bool> strip_accents;  // none: as lowercase
  bool lowercase = true;
  bool operator==(const BertNormalizerOptions&) const = default;
};

NormalizerPtr sequence_normalizer(std::vector<NormalizerPtr> parts);
NormalizerPtr prepend_normalizer(std::u32string text);
NormalizerPtr replace_normalizer(Pattern pattern, std::u32string content);
NormalizerPtr precompiled_normalizer(Charsmap map);
NormalizerPtr bert_normalizer(const BertNormalizerOptions& options);
NormalizerPtr strip_normalizer(bool left, bool right);
NormalizerPtr strip_accents_normalizer();
NormalizerPtr lowercase_normalizer();
NormalizerPtr nfd_normalizer();
NormalizerPtr nmt_normalizer();

}  // namespace instructblip
