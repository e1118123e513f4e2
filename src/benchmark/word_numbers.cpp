#include "benchmark/word_numbers.h"

#include <utility>

namespace instructblip {
namespace {

// Those before it mean something in the published vocabularies: beginnings, ends, padding.
constexpr std::int64_t kFirstWord = 3;

class NumberStream final : public TokenStream {
 public:
  std::string put(std::int32_t id) override { return std::to_string(id) + " "; }
  std::string finish() override { return {}; }
};

}  // namespace

WordNumbers::WordNumbers(std::int64_t rows, std::string marker, std::int32_t marker_id)
    : rows_(rows), marker_(std::move(marker)), marker_id_(marker_id) {}

std::vector<std::int32_t> WordNumbers::encode(std::string_view text) const {
  std::vector<std::int32_t> ids;
  for (std::size_t at = 0; (at = text.find_first_not_of(' ', at)) != std::string_view::npos;) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    const std::string_view word = text.substr(at, end - at);
    at = end;
    if (word == marker_) {
      ids.push_back(marker_id_);
      continue;
    }
    const std::size_t hash = std::hash<std::string_view>{}(word);
    const auto range = static_cast<std::size_t>(rows_ - kFirstWord);
    auto id = static_cast<std::int32_t>(kFirstWord + static_cast<std::int64_t>(hash % range));
    if (id == marker_id_) id = kFirstWord;
    ids.push_back(id);
  }
  return ids;
}

std::string WordNumbers::decode(std::span<const std::int32_t> ids, bool) const {
  std::string text;
  for (const std::int32_t id : ids) text += std::to_string(id) + " ";
  return text;
}

std::unique_ptr<TokenStream> WordNumbers::decode_stream(bool) const {
  return std::make_unique<NumberStream>();
}

std::optional<std::int32_t> WordNumbers::id_of(std::string_view token) const {
  return token == marker_ ? std::optional(marker_id_) : std::nullopt;
}

std::optional<std::string> WordNumbers::token_of(std::int32_t id) const {
  if (id < 0 || id >= rows_) return std::nullopt;
  return id == marker_id_ ? marker_ : std::to_string(id);
}

std::string words(std::int64_t count, const std::string& first) {
  std::string text = first;
  for (std::int64_t i = first.empty() ? 0 : 1; i < count; ++i) {
    text.append(text.empty() ? "word" : " word").append(std::to_string(i));
  }
  return text;
}

}  // namespace instructblip
