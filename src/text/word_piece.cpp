#include <algorithm>

#include "core/errors.h"
#include "core/utf8.h"
#include "text/token_model.h"

namespace instructblip {
namespace {

class WordPiece final : public TokenModel {
 public:
  WordPiece(Vocabulary vocabulary, WordPieceOptions options)
      : TokenModel(std::move(vocabulary)), options_(std::move(options)) {
    for (std::int32_t id = 0; id < this->vocabulary().end(); ++id) {
      if (const std::string* token = this->vocabulary().token(id)) {
        longest_token_ = std::max(longest_token_, token->size());
      }
    }
  }

  void tokenize(std::string_view word, std::vector<std::int32_t>& ids) const override {
    const auto is_first_byte = [](char byte) { return (byte & 0xC0) != 0x80; };
    const auto characters = static_cast<std::size_t>(std::ranges::count_if(word, is_first_byte));
    const std::size_t before = ids.size();
    if (characters <= options_.longest_word && append_parts(word, ids)) return;
    ids.resize(before);
    const auto unknown = vocabulary().find(options_.unknown);
    if (!unknown) {
      throw Error(ErrorCode::bad_model, "the tokenizer met an unknown word, but its unk_token " +
                                            quote(options_.unknown) + " is not in the vocabulary");
    }
    ids.push_back(*unknown);
  }

 private:
  // False where some part of `word` starts no token.
  bool append_parts(std::string_view word, std::vector<std::int32_t>& ids) const {
    std::string part;
    for (std::size_t begin = 0; begin < word.size();) {
      part = begin > 0 ? options_.continuing_prefix : "";
      const std::size_t prefix = part.size();
      part += word.substr(begin, longest_token_);
      part.resize(std::max(prefix, utf8::complete_prefix(part)));
      std::optional<std::int32_t> id;
      while (part.size() > prefix && !(id = vocabulary().find(part))) {
        do {
          part.pop_back();
        } while (part.size() > prefix && (word[begin + part.size() - prefix] & 0xC0) == 0x80);
      }
      if (!id) return false;
      ids.push_back(*id);
      begin += part.size() - prefix;
    }
    return true;
  }

  WordPieceOptions options_;
  std::size_t longest_token_ = 0;  // in bytes
};

}  // namespace

TokenModelPtr word_piece_model(Vocabulary vocabulary, WordPieceOptions options) {
  return std::make_shared<WordPiece>(std::move(vocabulary), std::move(options));
}

}  // namespace instructblip
