#include "text/normalized_text.h"

#include <algorithm>
#include <numeric>
#include <string>
#include <utility>

#include "core/errors.h"
#include "core/limits.h"
#include "text/unicode.h"

namespace instructblip {

void NormalizedText::check_length(std::size_t codes) {
  if (codes <= static_cast<std::size_t>(limits::kNormalizedCodes)) return;
  throw Error(ErrorCode::bad_model,
              "tokenizer: normalizer: a text grows to " + std::to_string(codes) +
                  " characters, expected at most " + std::to_string(limits::kNormalizedCodes),
              "is the tokenizer of this model damaged? download it once more");
}

NormalizedText::NormalizedText(std::u32string_view codes, std::size_t origin)
    : codes_(codes), origins_(codes.size()), origin_(origin) {
  std::iota(origins_.begin(), origins_.end(), static_cast<std::uint32_t>(origin));
}

NormalizedText NormalizedText::slice(std::size_t first, std::size_t last) const {
  NormalizedText part({}, first < last ? origins_[first] : origin_);
  part.codes_ = codes_.substr(first, last - first);
  part.origins_.assign(origins_.begin() + static_cast<std::ptrdiff_t>(first),
                       origins_.begin() + static_cast<std::ptrdiff_t>(last));
  return part;
}

void NormalizedText::transform(const std::vector<Rewrite>& rewrites, std::size_t removed) {
  check_length(rewrites.size());
  std::u32string codes;
  std::vector<std::uint32_t> origins;
  codes.reserve(rewrites.size());
  origins.reserve(rewrites.size());
  std::size_t offset = removed;
  for (const auto& [code, change] : rewrites) {
    const std::size_t source = change > 0 ? offset - 1 : offset;  // wraps around for none before
    codes += code;
    origins.push_back(source < origins_.size() ? origins_[source]
                                               : static_cast<std::uint32_t>(origin_));
    if (change <= 0) offset += 1 + static_cast<std::size_t>(-change);
  }
  codes_ = std::move(codes);
  origins_ = std::move(origins);
}

void NormalizedText::prepend(std::u32string_view text) {
  if (codes_.empty()) return;
  check_length(codes_.size() + text.size());
  codes_.insert(0, text);
  origins_.insert(origins_.begin(), text.size(), origins_.front());
}

void NormalizedText::replace(const Pattern& pattern, std::u32string_view content) {
  const std::vector<Span> spans = pattern.find(codes_);
  if (std::ranges::none_of(spans, &Span::matched)) return;
  std::size_t length = 0;
  for (const Span& span : spans) length += span.matched ? content.size() : span.last - span.first;
  check_length(length);
  std::u32string codes;
  std::vector<std::uint32_t> origins;
  for (const Span& span : spans) {
    if (span.matched) {
      codes += content;
      origins.insert(origins.end(), content.size(), origins_[span.last - 1]);
    } else {
      codes.append(codes_, span.first, span.last - span.first);
      origins.insert(origins.end(), origins_.begin() + static_cast<std::ptrdiff_t>(span.first),
                     origins_.begin() + static_cast<std::ptrdiff_t>(span.last));
    }
  }
  codes_ = std::move(codes);
  origins_ = std::move(origins);
}

void NormalizedText::keep_if(const std::function<bool(char32_t)>& keep) {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < codes_.size(); ++i) {
    if (!keep(codes_[i])) continue;
    codes_[kept] = codes_[i];
    origins_[kept++] = origins_[i];
  }
  codes_.resize(kept);
  origins_.resize(kept);
}

void NormalizedText::strip(bool left, bool right) {
  std::size_t first = 0, last = codes_.size();
  while (left && first < last && unicode::is_white_space(codes_[first])) ++first;
  while (right && first < last && unicode::is_white_space(codes_[last - 1])) --last;
  codes_ = codes_.substr(first, last - first);
  origins_.erase(origins_.begin() + static_cast<std::ptrdiff_t>(last), origins_.end());
  origins_.erase(origins_.begin(), origins_.begin() + static_cast<std::ptrdiff_t>(first));
}

}  // namespace instructblip
