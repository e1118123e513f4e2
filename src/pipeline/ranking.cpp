#include "pipeline/ranking.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <utility>

#include "core/errors.h"
#include "core/limits.h"
#include "pipeline/prepare.h"

namespace instructblip {
namespace {

constexpr double kNone = -std::numeric_limits<double>::infinity();

void check_count(std::size_t candidates, std::size_t in_all) {
  if (candidates > 0 && in_all <= limits::kCandidates) return;
  throw Error(ErrorCode::invalid_argument, "rank: expected 1 to " +
                                               std::to_string(limits::kCandidates) + " candidates" +
                                               (in_all > candidates ? ", spellings included" : "") +
                                               ", got " + std::to_string(in_all));
}

void check_options(std::size_t candidates, const RankOptions& options) {
  if (!options.spellings.empty() && options.spellings.size() != candidates) {
    throw Error(ErrorCode::invalid_argument, "rank: spellings: expected a list for each of " +
                                                 std::to_string(candidates) + " candidates, got " +
                                                 std::to_string(options.spellings.size()));
  }
  if (options.without_picture >= 0 && std::isfinite(options.without_picture)) return;
  throw Error(ErrorCode::invalid_argument,
              "rank: without_picture: expected a finite number of at least 0, got " +
                  std::to_string(options.without_picture));
}

// log(exp(a) + exp(b)).
double log_add(double a, double b) {
  const double most = std::max(a, b);
  return most == kNone ? kNone : most + std::log1p(std::exp(std::min(a, b) - most));
}

}  // namespace

double score_by(RankBy by, double sum, std::size_t tokens) {
  return by == RankBy::sum ? sum : sum / static_cast<double>(tokens);
}

std::vector<CandidateTokens> tokens_of(const ModelParts& model,
                                       std::span<const std::string> answers,
                                       std::optional<bool> end_token, const std::string& kind) {
  const bool with_end = end_token.value_or(model.generation_defaults.ranks_with_end);
  std::vector<CandidateTokens> tokens;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    try {
      tokens.push_back(model.prompts.answer(answers[i], with_end));
    } catch (const Error& error) {
      throw Error(error.code(), kind + " " + std::to_string(i + 1) + ": " + error.what());
    }
  }
  return tokens;
}

Ranking::Ranking(const ModelParts& model, Request request, std::span<const std::string> candidates,
                 const RankOptions& options)
    : model_(model), request_(std::move(request)), options_(options), count_(candidates.size()) {
  check_options(candidates.size(), options);
  std::size_t in_all = candidates.size();
  for (const auto& more : options.spellings) in_all += more.size();
  check_count(candidates.size(), in_all);
  const std::vector<CandidateTokens> own =
      tokens_of(model, candidates, options.end_token, "candidate");
  for (std::size_t i = 0; i < own.size(); ++i) {
    spellings_.push_back({i, 0});
    tokens_.push_back(own[i]);
    if (options.spellings.empty()) continue;
    const auto& others = options.spellings[i];
    auto more = tokens_of(model, others, options.end_token,
                          "candidate " + std::to_string(i + 1) + ", spelling");
    for (std::size_t n = 0; n < more.size(); ++n) {
      spellings_.push_back({i, n + 1});
      tokens_.push_back(std::move(more[n]));
    }
  }
  // Refused before the first job has run.
  if (options_.without_picture > 0) prepare_without_pictures(model_, request_, {}, tokens_);
}

std::shared_ptr<Job> Ranking::next(const Control& control) {
  ++jobs_;
  if (jobs_ == 1) return prepare(model_, request_, {control}, tokens_);
  if (jobs_ > 2 || options_.without_picture == 0) return nullptr;
  return prepare_without_pictures(model_, request_, {control}, std::move(tokens_));
}

void Ranking::add(Generation generation) { scored_.push_back(std::move(generation.sequences)); }

double Ranking::score_of(const Sequence& spelling) const {
  return score_by(options_.by, spelling.score, spelling.tokens.size());
}

std::vector<double> Ranking::priors() const {
  std::vector<double> priors(count_, scored_.size() > 1 ? kNone : 0);
  for (std::size_t s = 0; scored_.size() > 1 && s < spellings_.size(); ++s) {
    double& prior = priors[spellings_[s].candidate];
    prior = log_add(prior, score_of(scored_[1][s]));
  }
  return priors;
}

std::vector<RankedCandidate> Ranking::result() {
  std::vector<RankedCandidate> ranked(count_);
  std::vector<double> best(count_, kNone);
  for (std::size_t s = 0; s < spellings_.size(); ++s) {
    Sequence& sequence = scored_[0][s];
    const auto [index, number] = spellings_[s];
    const double score = score_of(sequence);
    RankedCandidate& candidate = ranked[index];
    candidate.score = number == 0 ? score : log_add(candidate.score, score);
    if (score <= best[index]) continue;
    best[index] = score;
    candidate.spelling = number;
    candidate.tokens = std::move(sequence.tokens);
    candidate.logprobs = std::move(sequence.logprobs);
  }
  const std::vector<double> prior = priors();
  for (std::size_t i = 0; i < count_; ++i) {
    ranked[i].index = i;
    ranked[i].prior = prior[i];
    ranked[i].score -= options_.without_picture * prior[i];
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

}  // namespace instructblip
