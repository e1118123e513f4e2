// The model of a tokenizer: one word of normalised text to token ids.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/vocabulary.h"

namespace instructblip {

// Immutable; safe to use from any thread.
class TokenModel {
 public:
  virtual ~TokenModel() = default;
  // Appends the ids of `word`, valid UTF-8. Throws Error(bad_model) where a character is unknown
  // and the model has no token for that.
  virtual void tokenize(std::string_view word, std::vector<std::int32_t>& ids) const = 0;

  const Vocabulary& vocabulary() const { return vocabulary_; }
  // What the reference takes for the number of tokens when it numbers added ones.
  virtual std::int32_t size() const { return vocabulary_.count(); }
  virtual bool is_bpe() const { return false; }

 protected:
  explicit TokenModel(Vocabulary vocabulary) : vocabulary_(std::move(vocabulary)) {}

 private:
  Vocabulary vocabulary_;
};
using TokenModelPtr = std::shared_ptr<const TokenModel>;

struct ScoredPiece {
  std::string piece;
  double score;
};

// The most probable segmentation; pieces are numbered in their order. O(bytes x longest piece).
TokenModelPtr unigram_model(const std::vector<ScoredPiece>& pieces,
                            std::optional<std::int32_t> unknown, bool byte_fallback);

struct BpeOptions {
  std::optional<std::string> unknown = std::nullopt;
  std::string continuing_prefix = {};  // put before characters behind the first of a word
  std::string word_suffix = {};        // put behind the last character of a word
  bool fuse_unknown = false;           // a run of unknown characters is one token
  bool byte_fallback = false;          // unknown characters become <0xHH> tokens
  bool ignore_merges = false;          // a word that is a token stays whole
};
using Merge = std::pair<std::string, std::string>;

// Byte pair encoding, merges in order of rank; O(n log n). Throws Error(bad_model), headed by
// `where`, for a merge of tokens that the vocabulary lacks.
TokenModelPtr bpe_model(Vocabulary vocabulary, const std::vector<Merge>& merges, BpeOptions options,
                        const std::string& where);

struct WordPieceOptions {
  std::string unknown = "[UNK]";
  std::string continuing_prefix = "##";
  std::size_t longest_word = 100;  // in characters; longer ones are unknown
};

// Greedy longest match from the left; a word that cannot be covered is one unknown token.
TokenModelPtr word_piece_model(Vocabulary vocabulary, WordPieceOptions options);

}  // namespace instructblip
