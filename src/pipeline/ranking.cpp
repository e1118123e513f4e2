// Candidate answers and how likely they are.
#include "instructblip/ranking.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <iterator>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/errors.h"
#include "core/limits.h"
#include "interface/guarded.h"
#include "pipeline/batch.h"
#include "pipeline/impl.h"
#include "pipeline/job.h"

namespace instructblip {
namespace {

using Tokens = std::vector<std::int32_t>;

// Scored at once: each takes rows of every step and memory for what it continues.
constexpr std::size_t kCandidatesOfAJob = 64;

void check_list(std::span<const std::string> candidates) {
  if (!candidates.empty() && std::ssize(candidates) <= limits::kCandidates) return;
  throw Error(ErrorCode::invalid_argument,
              "rank: expected 1 to " + std::to_string(limits::kCandidates) + " candidates, got " +
                  std::to_string(candidates.size()));
}

// The tokens of all; what is wrong with one names it.
std::vector<Tokens> tokens_of(const Pipeline::Impl& impl, std::span<const std::string> candidates,
                              const RankOptions& options) {
  check_list(candidates);
  const bool with_end = options.end_token.value_or(impl.generation_defaults.ranks_with_end);
  std::vector<Tokens> tokens;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    try {
      tokens.push_back(impl.prompts.answer(candidates[i], with_end));
    } catch (const Error& error) {
      throw Error(error.code(), "candidate " + std::to_string(i + 1) + ": " + error.what());
    }
  }
  return tokens;
}

// In their order, with the score of each. They are scored in groups: their hypotheses take memory.
std::vector<RankedCandidate> scored(
    const Pipeline::Impl& impl, std::vector<Tokens> tokens,
    const std::function<std::shared_ptr<Job>(std::vector<Tokens>)>& job_for) {
  std::vector<RankedCandidate> ranked;
  for (std::size_t begin = 0; begin < tokens.size(); begin += kCandidatesOfAJob) {
    const std::size_t end = std::min(tokens.size(), begin + kCandidatesOfAJob);
    const auto group = std::span(tokens).subspan(begin, end - begin);
    Generation generation = answer(impl, job_for({std::make_move_iterator(group.begin()),
                                                  std::make_move_iterator(group.end())}));
    for (Sequence& sequence : generation.sequences) {
      ranked.push_back({ranked.size(), sequence.score, 0, std::move(sequence.tokens),
                        std::move(sequence.logprobs)});
    }
  }
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

std::vector<RankedCandidate> Pipeline::rank(const Image& image, std::string_view instruction,
                                            std::span<const std::string> candidates,
                                            const RankOptions& options,
                                            const Control& control) const {
  return rank(std::span(&image, 1), instruction, candidates, options, control);
}

std::vector<RankedCandidate> Pipeline::rank(std::span<const Image> images,
                                            std::string_view instruction,
                                            std::span<const std::string> candidates,
                                            const RankOptions& options,
                                            const Control& control) const {
  return guarded([&] {
    std::vector<Tokens> tokens = tokens_of(*impl_, candidates, options);
    if (tokens.size() > kCandidatesOfAJob) {
      impl_->question({instruction}, impl_->sizes(images));  // refuses before pictures are encoded
      return rank(encode(images), instruction, candidates, options, control);
    }
    const auto job_for = [&](std::vector<Tokens> group) {
      return impl_->job(images, {instruction, {}, std::move(group)}, control);
    };
    return in_order(scored(*impl_, std::move(tokens), job_for), options.by);
  });
}

std::vector<RankedCandidate> Pipeline::rank(const ImageFeatures& features,
                                            std::string_view instruction,
                                            std::span<const std::string> candidates,
                                            const RankOptions& options,
                                            const Control& control) const {
  return guarded([&] {
    const auto job_for = [&](std::vector<Tokens> group) {
      return impl_->job(*features.impl_, {instruction, {}, std::move(group)}, control);
    };
    return in_order(scored(*impl_, tokens_of(*impl_, candidates, options), job_for), options.by);
  });
}

}  // namespace instructblip
