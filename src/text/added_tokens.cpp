#include "text/added_tokens.h"

#include <algorithm>
#include <utility>

#include "core/utf8.h"
#include "text/unicode.h"

namespace instructblip {

void AddedTokens::add(const std::vector<AddedToken>& tokens, const TokenModel& model,
                      const Normalizer* normalizer) {
  for (const AddedToken& token : tokens) {
    if (token.special && !token.content.empty() && special_.insert(token.content).second) {
      first_special_.push_back(token);
    }
  }
  // Counted once: tokens of one call follow each other.
  std::int32_t next = std::max(model.size(), end());
  for (const AddedToken& token : tokens) {
    if (token.content.empty()) continue;
    const auto known = find(token.content);
    if (known && *this->token(*known) == token) continue;
    std::int32_t id = known.value_or(next);
    if (!known) {
      if (const auto in_model = model.vocabulary().find(token.content)) {
        id = *in_model;
      } else {
        ++next;
      }
    }
    ids_[token.content] = id;
    by_id_[id] = token;
    if (!special_.contains(token.content)) first_plain_.push_back(token);
  }
  rebuild(model, normalizer);
}

void AddedTokens::rebuild(const TokenModel& model, const Normalizer* normalizer) {
  raw_ = {};
  normalized_ = {};
  for (const auto* tokens : {&first_special_, &first_plain_}) {
    for (const AddedToken& token : *tokens) {
      const auto id = find(token.content);
      NormalizedText content(utf8::to_utf32(token.content), 0);
      if (token.normalized && normalizer != nullptr) normalizer->apply(content);
      (token.normalized ? normalized_ : raw_)
          .insert(content.codes(), id ? *id : *model.vocabulary().find(token.content),
                  /*replace=*/false);
    }
  }
}

std::optional<std::int32_t> AddedTokens::find(std::string_view content) const {
  const auto found = ids_.find(content);
  return found == ids_.end() ? std::nullopt : std::optional(found->second);
}

const AddedToken* AddedTokens::token(std::int32_t id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : &found->second;
}

std::int32_t AddedTokens::end() const { return by_id_.empty() ? 0 : by_id_.rbegin()->first + 1; }

bool AddedTokens::accepts(const AddedToken& token, std::u32string_view text, std::size_t first,
                          std::size_t last) const {
  if (ignores_special_ && is_special(token.content)) return false;
  if (!token.single_word) return true;
  return (first == 0 || !unicode::is_word(text[first - 1])) &&
         (last == text.size() || !unicode::is_word(text[last]));
}

std::vector<AddedTokens::Found> AddedTokens::find_all(std::u32string_view text,
                                                      const Trie<char32_t>& trie) const {
  std::vector<Found> all;
  std::size_t taken = 0;
  for (std::size_t first = 0; first < text.size();) {
    std::size_t length = 0;
    std::int32_t id = 0;
    trie.prefixes(text.substr(first), [&](std::size_t longer, std::int32_t value) {
      length = longer;
      id = value;
    });
    if (length == 0) {
      ++first;
      continue;
    }
    Found found{first, first + length, id};
    first += length;  // a token that is not accepted hides what it covers all the same
    const AddedToken& token = by_id_.at(id);
    if (!accepts(token, text, found.first, found.last)) continue;
    while (token.lstrip && found.first > taken && unicode::is_white_space(text[found.first - 1])) {
      --found.first;
    }
    while (token.rstrip && found.last < text.size() && unicode::is_white_space(text[found.last])) {
      ++found.last;
    }
    taken = found.last;
    all.push_back(found);
  }
  return all;
}

void AddedTokens::split_at(std::vector<Piece>& pieces, const Trie<char32_t>& trie) const {
  std::vector<Piece> parts;
  for (Piece& piece : pieces) {
    if (piece.id) {
      parts.push_back(std::move(piece));
      continue;
    }
    if (piece.text.empty()) continue;
    const auto add = [&](std::size_t first, std::size_t last, std::optional<std::int32_t> id) {
      if (first < last) parts.push_back({piece.text.slice(first, last), id});
    };
    std::size_t taken = 0;
    for (const Found& found : find_all(piece.text.codes(), trie)) {
      add(taken, found.first, std::nullopt);
      add(found.first, found.last, found.id);
      taken = found.last;
    }
    add(taken, piece.text.codes().size(), std::nullopt);
  }
  pieces = std::move(parts);
}

std::vector<Piece> AddedTokens::split(std::u32string_view text,
                                      const Normalizer* normalizer) const {
  std::vector<Piece> pieces;
  pieces.push_back({NormalizedText(text, 0), std::nullopt});
  split_at(pieces, raw_);
  if (normalizer != nullptr) {
    for (Piece& piece : pieces) {
      if (!piece.id) normalizer->apply(piece.text);
    }
  }
  split_at(pieces, normalized_);
  return pieces;
}

}  // namespace instructblip
