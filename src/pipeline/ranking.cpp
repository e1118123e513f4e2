// Candidate answers and how likely they are.
#include "pipeline/ranking.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/errors.h"
#include "core/limits.h"
#include "pipeline/batch.h"
#include "pipeline/job.h"

namespace instructblip {
namespace {

using Tokens = std::vector<std::int32_t>;

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
std::vector<Tokens> tokens_of(const Model& model, std::span<const std::string> candidates,
                              const RankOptions& options) {
  check_list(candidates);
  const bool with_end = options.end_token.value_or(model.generation_defaults.ranks_with_end);
  std::vector<Tokens> tokens;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    try {
      tokens.push_back(model.prompts.answer(candidates[i], with_end));
    } catch (const Error& error) {
      throw Error(error.code(), "candidate " + std::to_string(i + 1) + ": " + error.what());
    }
  }
  return tokens;
}

using JobFor = std::function<std::shared_ptr<Job>(std::vector<Tokens>)>;

// With the score of each, in any order. They are scored in groups; those with the same beginning
// come together, since within a group it is read once.
std::vector<RankedCandidate> scored(const Model& model, std::vector<Tokens> tokens,
                                    const JobFor& job_for) {
  std::vector<std::size_t> order(tokens.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, {}, [&](std::size_t i) -> const Tokens& { return tokens[i]; });
  std::vector<RankedCandidate> ranked;
  for (std::size_t next = 0; next < order.size();) {
    std::vector<Tokens> group;
    std::size_t in_all = 0;
    const std::size_t first = next;
    for (; next < order.size() && group.size() < kCandidatesOfAJob; ++next) {
      Tokens& candidate = tokens[order[next]];
      if (!group.empty() && in_all + candidate.size() > kTokensOfAJob) break;
      in_all += candidate.size();
      group.push_back(std::move(candidate));
    }
    Generation generation = answer(model, job_for(std::move(group)));
    for (std::size_t i = 0; i < generation.sequences.size(); ++i) {
      Sequence& sequence = generation.sequences[i];
      ranked.push_back({order[first + i], sequence.score, 0, std::move(sequence.tokens),
                        std::move(sequence.logprobs)});
    }
  }
  std::ranges::sort(ranked, {}, &RankedCandidate::index);
  return ranked;
}

std::vector<RankedCandidate> in_order(std::vector<RankedCandidate> ranked, RankBy by) {
  for (RankedCandidate& candidate : ranked) {
    if (by == RankBy::mean) candidate.score /= static_cast<double>(candidate.tokens.size());
  }
  std::ranges::stable_sort(ranked, std::ranges::greater(), &RankedCandidate::score);
  double total = 0;
  for (RankedCandidate& candidate : ranked) {
    candidate.probability = std::exp(candidate.score - ranked.front().score);
    total += candidate.probability;
  }
  for (RankedCandidate& candidate : ranked) candidate.probability /= total;
  return ranked;
}

}  // namespace

std::vector<RankedCandidate> rank(const Model& model, const EncodedPictures& features,
                                  std::string_view instruction,
                                  std::span<const std::string> candidates,
                                  const RankOptions& options, const Control& control) {
  const auto job_for = [&](std::vector<Tokens> group) {
    return model.job(features, {instruction, {}, std::move(group)}, control);
  };
  return in_order(scored(model, tokens_of(model, candidates, options), job_for), options.by);
}

std::vector<RankedCandidate> rank(const Model& model, std::span<const Image> images,
                                  std::string_view instruction,
                                  std::span<const std::string> candidates,
                                  const RankOptions& options, const Control& control) {
  std::vector<Tokens> tokens = tokens_of(model, candidates, options);
  if (tokens.size() > kCandidatesOfAJob) {                           // else the caches may be off
    model.question({instruction, {}, tokens}, model.sizes(images));  // refuses what it can
    return rank(model, model.encode(images), instruction, candidates, options, control);
  }
  const auto job_for = [&](std::vector<Tokens> group) {
    return model.job(images, {instruction, {}, std::move(group)}, control);
  };
  return in_order(scored(model, std::move(tokens), job_for), options.by);
}

}  // namespace instructblip
