// A tokenizer without a vocabulary, for models whose weights are made up: any word is a token.
#pragma once

#include <filesystem>
#include <string>

#include "text/tokenizer.h"

namespace instructblip {

// As many ids as there are words between blanks, nothing put around them; the same word is always
// the same id. `marker` is a token of its own. Decoded, an id is its number.
class WordNumbers final : public Tokenizer {
 public:
  // Ids below `rows`; `marker_id` is one of them.
  WordNumbers(std::int64_t rows, std::string marker, std::int32_t marker_id);

  std::vector<std::int32_t> encode(std::string_view text) const override;
  std::string decode(std::span<const std::int32_t> ids, bool skip_special_tokens) const override;
  std::unique_ptr<TokenStream> decode_stream(bool skip_special_tokens) const override;
  std::optional<std::int32_t> id_of(std::string_view token) const override;
  std::optional<std::string> token_of(std::int32_t id) const override;
  std::int32_t size() const override { return static_cast<std::int32_t>(rows_); }
  std::optional<std::int32_t> eos() const override { return std::nullopt; }
  const std::filesystem::path& file() const override { return file_; }

 private:
  std::int64_t rows_;
  std::string marker_;
  std::int32_t marker_id_;
  std::filesystem::path file_ = "words by number";
};

// A text of so many words, of which the first is `first` unless that is empty.
std::string words(std::int64_t count, const std::string& first = {});

}  // namespace instructblip
