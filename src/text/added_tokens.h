// Tokens that are found in the text as written, before the model sees it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "text/normalizers.h"
#include "text/pre_tokenizers.h"
#include "text/token_model.h"
#include "text/trie.h"

namespace instructblip {

struct AddedToken {
  std::string content;
  bool single_word = false;  // only between characters that are no part of a word
  bool lstrip = false;       // swallows white space on its left
  bool rstrip = false;
  bool normalized = true;  // sought in the normalised text, and normalised itself
  bool special = false;    // skipped when decoding
  bool operator==(const AddedToken&) const = default;
};

// The order in which tokens are added decides their ids; adding one again changes its flags.
class AddedTokens {
 public:
  // `normalizer` may be null. Ids: as the model has it, else the next free one.
  void add(const std::vector<AddedToken>& tokens, const TokenModel& model,
           const Normalizer* normalizer);

  // Finds the tokens in `text` and normalises what lies between.
  std::vector<Piece> split(std::u32string_view text, const Normalizer* normalizer) const;
  // Special tokens are text like any other.
  void ignore_special() { ignores_special_ = true; }

  std::optional<std::int32_t> find(std::string_view content) const;
  const AddedToken* token(std::int32_t id) const;
  bool is_special(std::string_view content) const { return special_.contains(content); }
  std::int32_t end() const;  // one more than the largest id
  // By id.
  const std::map<std::int32_t, AddedToken>& tokens() const { return by_id_; }

 private:
  struct Found {
    std::size_t first, last;  // with the white space that it swallows
    std::int32_t id;
  };
  std::vector<Found> find_all(std::u32string_view text, const Trie<char32_t>& trie) const;
  void split_at(std::vector<Piece>& pieces, const Trie<char32_t>& trie) const;
  bool accepts(const AddedToken& token, std::u32string_view text, std::size_t first,
               std::size_t last) const;
  void rebuild(const TokenModel& model, const Normalizer* normalizer);

  std::map<std::string, std::int32_t, std::less<>> ids_;
  std::map<std::int32_t, AddedToken> by_id_;
  // As they were first added; these flags choose the trie, the latest ones all else.
  std::vector<AddedToken> first_special_, first_plain_;
  std::set<std::string, std::less<>> special_;
  Trie<char32_t> raw_, normalized_;  // content -> id
  bool ignores_special_ = false;
};

}  // namespace instructblip
