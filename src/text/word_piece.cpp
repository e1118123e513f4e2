#include <algorithm>

#include "core/errors.h"
#include "text/token_model.h"
#include "text/trie.h"

namespace instructblip {
namespace {

class WordPiece final : public TokenModel {
 public:
  WordPiece(Vocabulary words, WordPieceOptions options)
      : TokenModel(std::move(words)), options_(std::move(options)) {
    for (std::int32_t id = 0; id < vocabulary().end(); ++id) {
      const std::string* token = vocabulary().token(id);
      if (token == nullptr || vocabulary().find(*token) != id) continue;
      starts_.insert(*token, id, /*replace=*/true);
      if (token->starts_with(options_.continuing_prefix)) {
        inner_.insert(std::string_view(*token).substr(options_.continuing_prefix.size()), id,
                      /*replace=*/true);
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
    for (std::size_t begin = 0; begin < word.size();) {
      std::size_t longest = 0;
      std::int32_t id = 0;
      (begin == 0 ? starts_ : inner_)
          .prefixes(word.substr(begin), [&](std::size_t length, std::int32_t found) {
            longest = length;
            id = found;
          });
      if (longest == 0) return false;
      ids.push_back(id);
      begin += longest;
    }
    return true;
  }

  WordPieceOptions options_;
  Trie<char> starts_, inner_;  // inner ones without their prefix
};

}  // namespace

TokenModelPtr word_piece_model(Vocabulary vocabulary, WordPieceOptions options) {
  return std::make_shared<WordPiece>(std::move(vocabulary), std::move(options));
}

}  // namespace instructblip
