#include <queue>
#include <tuple>
#include <unordered_map>

#include "core/errors.h"
#include "core/utf8.h"
#include "text/byte_tokens.h"
#include "text/token_model.h"

namespace instructblip {
namespace {

constexpr std::size_t kNowhere = static_cast<std::size_t>(-1);

struct RankedMerge {
  std::int32_t rank;
  std::int32_t id;  // id of the merged token
};

// A token of a word while merges go on: a linked list inside a vector.
struct Symbol {
  std::int32_t id;
  std::size_t previous, next;
  bool merged_away = false;
};

struct Candidate {
  std::int32_t rank;
  std::size_t position;
  std::int32_t id;
  bool operator>(const Candidate& other) const {
    return std::tie(rank, position) > std::tie(other.rank, other.position);
  }
};

class Bpe final : public TokenModel {
 public:
  Bpe(Vocabulary vocabulary, const std::vector<Merge>& merges, BpeOptions options,
      const std::string& where)
      : TokenModel(std::move(vocabulary)), options_(std::move(options)) {
    merges_.reserve(merges.size());
    for (std::size_t i = 0; i < merges.size(); ++i) {
      const auto& [left, right] = merges[i];
      const std::string merge = where + ": merge " + std::to_string(i);
      if (right.size() < options_.continuing_prefix.size()) {
        throw Error(ErrorCode::bad_model, merge + " lacks the prefix of inner tokens");
      }
      const std::string merged = left + right.substr(options_.continuing_prefix.size());
      merges_.insert_or_assign(pair(require(left, merge), require(right, merge)),
                               RankedMerge{static_cast<std::int32_t>(i), require(merged, merge)});
    }
  }

  bool is_bpe() const override { return true; }

  void tokenize(std::string_view word, std::vector<std::int32_t>& ids) const override {
    if (word.empty()) return;
    if (options_.ignore_merges) {
      if (const auto id = this->vocabulary().find(word)) {
        ids.push_back(*id);
        return;
      }
    }
    std::vector<Symbol> symbols = link(characters(word));
    merge_all(symbols);
    for (const Symbol& symbol : symbols) {
      if (!symbol.merged_away) ids.push_back(symbol.id);
    }
  }

 private:
  static std::uint64_t pair(std::int32_t left, std::int32_t right) {
    return std::uint64_t{static_cast<std::uint32_t>(left)} << 32 |
           static_cast<std::uint32_t>(right);
  }

  std::int32_t require(const std::string& token, const std::string& merge) const {
    if (const auto id = vocabulary().find(token)) return *id;
    throw Error(ErrorCode::bad_model,
                merge + ": expected tokens of the vocabulary, got " + quote(token));
  }

  std::int32_t unknown_id() const {
    if (const auto id = vocabulary().find(*options_.unknown)) return *id;
    throw Error(ErrorCode::bad_model, "the tokenizer met an unknown character, but its unk_token " +
                                          quote(*options_.unknown) + " is not in the vocabulary");
  }

  // One token a character, or what stands for characters that the vocabulary lacks.
  std::vector<std::int32_t> characters(std::string_view word) const {
    std::vector<std::int32_t> ids;
    ids.reserve(word.size());
    bool unknown = false;  // whether an unknown token waits to be put
    for (std::size_t begin = 0; begin < word.size();) {
      const std::size_t length = std::max<std::size_t>(utf8::decode(word.substr(begin)).length, 1);
      std::string character(begin == 0 ? "" : options_.continuing_prefix);
      character += word.substr(begin, length);
      begin += length;
      if (begin >= word.size()) character += options_.word_suffix;
      if (const auto id = vocabulary().find(character)) {
        if (std::exchange(unknown, false)) ids.push_back(unknown_id());
        ids.push_back(*id);
      } else if (!options_.byte_fallback || !append_byte_tokens(vocabulary(), character, ids)) {
        if (!options_.unknown) continue;
        if (unknown && !options_.fuse_unknown) ids.push_back(unknown_id());
        unknown = true;
      }
    }
    if (unknown) ids.push_back(unknown_id());
    return ids;
  }

  static std::vector<Symbol> link(const std::vector<std::int32_t>& ids) {
    std::vector<Symbol> symbols;
    symbols.reserve(ids.size());
    for (std::size_t i = 0; i < ids.size(); ++i) {
      symbols.push_back({ids[i], i == 0 ? kNowhere : i - 1, i + 1 < ids.size() ? i + 1 : kNowhere});
    }
    return symbols;
  }

  const RankedMerge* find_merge(std::int32_t left, std::int32_t right) const {
    const auto found = merges_.find(pair(left, right));
    return found == merges_.end() ? nullptr : &found->second;
  }

  void merge_all(std::vector<Symbol>& symbols) const {
    std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue;
    const auto consider = [&](std::size_t left) {
      if (left == kNowhere || symbols[left].next == kNowhere) return;
      const RankedMerge* merge = find_merge(symbols[left].id, symbols[symbols[left].next].id);
      if (merge != nullptr) queue.push({merge->rank, left, merge->id});
    };
    for (std::size_t i = 0; i < symbols.size(); ++i) consider(i);
    while (!queue.empty()) {
      const Candidate top = queue.top();
      queue.pop();
      Symbol& left = symbols[top.position];
      if (left.merged_away || left.next == kNowhere) continue;
      Symbol& right = symbols[left.next];
      // The pair may have changed since it was queued; what it would become counts, not its rank.
      const RankedMerge* merge = find_merge(left.id, right.id);
      if (merge == nullptr || merge->id != top.id) continue;
      left.id = top.id;
      left.next = right.next;
      right.merged_away = true;
      if (right.next != kNowhere) symbols[right.next].previous = top.position;
      consider(left.previous);
      consider(top.position);
    }
  }

  BpeOptions options_;
  std::unordered_map<std::uint64_t, RankedMerge> merges_;
};

}  // namespace

TokenModelPtr bpe_model(Vocabulary vocabulary, const std::vector<Merge>& merges, BpeOptions options,
                        const std::string& where) {
  return std::make_shared<Bpe>(std::move(vocabulary), merges, std::move(options), where);
}

}  // namespace instructblip
