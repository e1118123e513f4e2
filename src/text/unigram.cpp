#include <algorithm>
#include <limits>

#include "core/errors.h"
#include "core/utf8.h"
#include "text/byte_tokens.h"
#include "text/token_model.h"
#include "text/trie.h"

namespace instructblip {
namespace {

// How much less likely an unknown character is than the least likely piece.
constexpr double kUnknownPenalty = 10.0;

Vocabulary number_pieces(const std::vector<ScoredPiece>& pieces) {
  Vocabulary vocabulary;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    vocabulary.set(pieces[i].piece, static_cast<std::int32_t>(i));
  }
  return vocabulary;
}

class Unigram final : public TokenModel {
 public:
  Unigram(const std::vector<ScoredPiece>& pieces, std::optional<std::int32_t> unknown,
          bool byte_fallback)
      : TokenModel(number_pieces(pieces)), unknown_(unknown), byte_fallback_(byte_fallback) {
    double least = std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      trie_.insert(pieces[i].piece, static_cast<std::int32_t>(i), /*replace=*/true);
      scores_.push_back(pieces[i].score);
      least = std::min(least, pieces[i].score);
    }
    unknown_score_ = least - kUnknownPenalty;
  }

  std::int32_t size() const override { return static_cast<std::int32_t>(scores_.size()); }

  void tokenize(std::string_view word, std::vector<std::int32_t>& ids) const override {
    const std::vector<Step> steps = best_steps(word);
    std::vector<std::string_view> parts;  // last first
    bool after_unknown = false;           // whether the part put last is unknown characters
    for (std::size_t end = word.size(); end > 0;) {
      const Step& step = steps[end];
      const bool is_unknown = step.id == unknown_;
      if (is_unknown && after_unknown) {
        parts.back() = {word.data() + step.begin, parts.back().size() + (end - step.begin)};
      } else {
        parts.push_back(word.substr(step.begin, end - step.begin));
      }
      after_unknown = is_unknown;
      end = step.begin;
    }
    for (auto part = parts.rbegin(); part != parts.rend(); ++part) append(*part, ids);
  }

 private:
  static constexpr std::size_t kNowhere = std::numeric_limits<std::size_t>::max();

  // The last token of the best segmentation of the bytes before some position.
  struct Step {
    std::int32_t id = 0;
    double score = 0;
    std::size_t begin = kNowhere;

    void improve(std::int32_t candidate, double candidate_score, std::size_t from) {
      if (begin != kNowhere && !(candidate_score > score)) return;
      *this = {candidate, candidate_score, from};
    }
  };

  std::vector<Step> best_steps(std::string_view word) const {
    std::vector<Step> steps(word.size() + 1);
    for (std::size_t begin = 0; begin < word.size();) {
      const double score = steps[begin].score;
      const std::size_t character =
          std::max<std::size_t>(utf8::decode(word.substr(begin)).length, 1);
      bool has_character = false;
      trie_.prefixes(word.substr(begin), [&](std::size_t length, std::int32_t id) {
        steps[begin + length].improve(id, scores_[static_cast<std::size_t>(id)] + score, begin);
        has_character |= length == character;
      });
      if (!has_character) {
        steps[begin + character].improve(require_unknown(), unknown_score_ + score, begin);
      }
      begin += character;
    }
    return steps;
  }

  std::int32_t require_unknown() const {
    if (unknown_) return *unknown_;
    throw Error(ErrorCode::bad_model,
                "the tokenizer met an unknown character, expected a Unigram model with an unk_id");
  }

  void append(std::string_view part, std::vector<std::int32_t>& ids) const {
    if (const auto id = vocabulary().find(part)) {
      ids.push_back(*id);
    } else if (!byte_fallback_ || !append_byte_tokens(vocabulary(), part, ids)) {
      ids.push_back(require_unknown());
    }
  }

  Trie<char> trie_;
  std::vector<double> scores_;
  std::optional<std::int32_t> unknown_;
  double unknown_score_ = 0;
  bool byte_fallback_;
};

}  // namespace

TokenModelPtr unigram_model(const std::vector<ScoredPiece>& pieces,
                            std::optional<std::int32_t> unknown, bool byte_fallback) {
  return std::make_shared<Unigram>(pieces, unknown, byte_fallback);
}

}  // namespace instructblip
