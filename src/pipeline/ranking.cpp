#include "pipeline/ranking.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <string>
#include <utility>

#include "core/errors.h"
#include "core/limits.h"
#include "pipeline/prepare.h"

namespace instructblip {
namespace {

// Scored at once: each candidate is a row of every step, and what stands before a token is kept for
// each token of all.
constexpr std::size_t kCandidatesOfAJob = 64;
constexpr std::size_t kTokensOfAJob = 2048;

void check_list(std::span<const std::string> candidates) {
  if (!candidates.empty() && std::ssize(candidates) <= limits::kCandidates) return;
  throw Error(ErrorCode::invalid_argument,
              "rank: expected 1 to " + std::to_string(limits::kCandidates) + " candidates, got " +
                  std::to_string(candidates.size()));
}

// The tokens of all; what is wrong with one names it.
std::vector<CandidateTokens> tokens_of(const ModelParts& model,
                                       std::span<const std::string> candidates,
                                       const RankOptions& options) {
  check_list(candidates);
  const bool with_end = options.end_token.value_or(model.generation_defaults.ranks_with_end);
  std::vector<CandidateTokens> tokens;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    try {
      tokens.push_back(model.prompts.answer(candidates[i], with_end));
    } catch (const Error& error) {
      throw Error(error.code(), "candidate " + std::to_string(i + 1) + ": " + error.what());
    }
  }
  return tokens;
}

}  // namespace

Ranking::Ranking(const ModelParts& model, Request request, std::span<const std::string> candidates,
                 const RankOptions& options)
    : model_(model),
      request_(std::move(request)),
      by_(options.by),
      tokens_(tokens_of(model, candidates, options)),
      order_(tokens_.size()) {
  std::iota(order_.begin(), order_.end(), std::size_t{0});
  std::ranges::stable_sort(order_, {},
                           [&](std::size_t i) -> const CandidateTokens& { return tokens_[i]; });
  if (tokens_.size() <= kCandidatesOfAJob) return;  // else the caches may be off
  check(model_, request_, tokens_);
  request_.pictures = encode_pictures(model_, request_.pictures);
}

std::shared_ptr<Job> Ranking::next(const Control& control) {
  std::vector<CandidateTokens> group;
  std::size_t in_all = 0;
  for (; next_ < order_.size() && group.size() < kCandidatesOfAJob; ++next_) {
    CandidateTokens& candidate = tokens_[order_[next_]];
    if (!group.empty() && in_all + candidate.size() > kTokensOfAJob) break;
    in_all += candidate.size();
    group.push_back(std::move(candidate));
  }
  if (group.empty()) return nullptr;
  return prepare(model_, request_, {control}, std::move(group));
}

void Ranking::add(Generation generation) {
  for (Sequence& sequence : generation.sequences) {
    ranked_.push_back({order_[ranked_.size()], sequence.score, 0, std::move(sequence.tokens),
                       std::move(sequence.logprobs)});
  }
}

std::vector<RankedCandidate> Ranking::result() {
  std::ranges::sort(ranked_, {}, &RankedCandidate::index);
  for (RankedCandidate& candidate : ranked_) {
    if (by_ == RankBy::mean) candidate.score /= static_cast<double>(candidate.tokens.size());
  }
  std::ranges::stable_sort(ranked_, std::ranges::greater(), &RankedCandidate::score);
  double total = 0;
  for (RankedCandidate& candidate : ranked_) {
    candidate.probability = std::exp(candidate.score - ranked_.front().score);
    total += candidate.probability;
  }
  for (RankedCandidate& candidate : ranked_) candidate.probability /= total;
  return std::move(ranked_);
}

}  // namespace instructblip
