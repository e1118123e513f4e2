#include "decoding/warpers.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "decoding/log_softmax.h"
#include "decoding/logits_processors.h"
#include "decoding/top_k.h"
#include "instructblip/error.h"

namespace instructblip {
namespace {

constexpr float kBanned = -std::numeric_limits<float>::infinity();

// The tokens that may still be drawn, by id. Banned ones have probability 0 and change nothing
// below.
std::vector<std::size_t> allowed_tokens(std::span<const float> scores) {
  std::vector<std::size_t> tokens;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (scores[i] != kBanned) tokens.push_back(i);
  }
  return tokens;
}

// softmax over `tokens`, added up in their order; sums in double, stored in float, as torch.cumsum.
std::vector<float> cumulative_probabilities(std::span<const float> scores,
                                            std::span<const std::size_t> tokens) {
  float max = kBanned;
  for (const std::size_t token : tokens) max = std::max(max, scores[token]);
  std::vector<float> probabilities(tokens.size());
  double total = 0;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    probabilities[i] = std::exp(scores[tokens[i]] - max);
    total += static_cast<double>(probabilities[i]);
  }
  double sum = 0;
  for (float& probability : probabilities) {
    sum += static_cast<double>(static_cast<float>(static_cast<double>(probability) / total));
    probability = static_cast<float>(sum);
  }
  return probabilities;
}

}  // namespace

void keep_top_k(std::span<float> scores, std::size_t count) {
  const float smallest = top_k(scores, std::min(count, scores.size())).back().value;
  for (float& score : scores) {
    if (score < smallest) score = kBanned;
  }
}

void keep_top_p(std::span<float> scores, double mass, std::size_t keep) {
  std::vector<std::size_t> tokens = allowed_tokens(scores);
  std::stable_sort(tokens.begin(), tokens.end(),
                   [&](std::size_t a, std::size_t b) { return scores[a] < scores[b]; });
  const std::vector<float> cumulative = cumulative_probabilities(scores, tokens);
  const auto threshold = static_cast<float>(1.0 - mass);
  for (std::size_t i = 0; i + keep < tokens.size(); ++i) {
    if (cumulative[i] <= threshold) scores[tokens[i]] = kBanned;
  }
}

void drop_below(std::span<float> scores, double share, std::size_t keep) {
  std::vector<std::size_t> tokens = allowed_tokens(scores);
  std::stable_sort(tokens.begin(), tokens.end(),
                   [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });
  const float max = scores[tokens.front()];
  double total = 0;
  for (const std::size_t token : tokens) {
    total += static_cast<double>(std::exp(scores[token] - max));
  }
  const auto probability = [&](std::size_t token) {
    return static_cast<float>(static_cast<double>(std::exp(scores[token] - max)) / total);
  };
  const float threshold = static_cast<float>(share) * probability(tokens.front());
  for (std::size_t i = keep; i < tokens.size(); ++i) {
    if (probability(tokens[i]) < threshold) scores[tokens[i]] = kBanned;
  }
}

void keep_typical(std::span<float> scores, double mass, std::size_t keep) {
  std::vector<std::size_t> tokens = allowed_tokens(scores);
  const LogNormalizer log_probability = log_normalizer(scores);
  double entropy = 0;
  for (const std::size_t token : tokens) {
    const float log_p = log_probability(scores[token]);
    entropy -= static_cast<double>(log_p * std::exp(log_p));
  }
  std::vector<float> distance(scores.size());
  for (const std::size_t token : tokens) {
    distance[token] = std::abs(-log_probability(scores[token]) - static_cast<float>(entropy));
  }
  std::stable_sort(tokens.begin(), tokens.end(),
                   [&](std::size_t a, std::size_t b) { return distance[a] < distance[b]; });
  const std::vector<float> cumulative = cumulative_probabilities(scores, tokens);
  const auto below = std::count_if(cumulative.begin(), cumulative.end(),
                                   [&](float p) { return p < static_cast<float>(mass); });
  const std::size_t last = std::min(static_cast<std::size_t>(below), tokens.size() - 1);
  const float farthest = distance[tokens[last]];
  for (std::size_t i = keep; i < tokens.size(); ++i) {
    if (distance[tokens[i]] > farthest) scores[tokens[i]] = kBanned;
  }
}

Warpers::Warpers(const GenerationConfig& options, std::size_t stop_ids)
    : enabled_(*options.do_sample),
      temperature_(static_cast<float>(*options.temperature)),
      top_k_(static_cast<std::size_t>(*options.top_k)),
      top_p_(*options.top_p),
      min_p_(*options.min_p),
      typical_p_(*options.typical_p),
      renormalize_(*options.renormalize_logits),
      // The reference keeps two where no stop id is known.
      keep_(*options.num_beams > 1 ? std::max<std::size_t>(2, stop_ids + 1) : 1) {}

void Warpers::apply(std::span<float> scores) const {
  if (!enabled_) return;
  if (temperature_ != 1.0f) {
    for (float& score : scores) score /= temperature_;
  }
  const float max = max_value(scores);
  if (max == kBanned) return;
  if (!(max <= std::numeric_limits<float>::max())) {
    throw Error(ErrorCode::invalid_argument,
                "options: temperature or repetition_penalty lets scores overflow, expected larger "
                "values");
  }
  if (top_k_ > 0) keep_top_k(scores, std::max(top_k_, keep_));
  if (top_p_ < 1.0) keep_top_p(scores, top_p_, keep_);
  if (min_p_ > 0.0) drop_below(scores, min_p_, keep_);
  if (typical_p_ < 1.0) keep_typical(scores, typical_p_, keep_);
  if (renormalize_) renormalize(scores);
}

std::vector<double> softmax_weights(std::span<const float> scores) {
  const float max = max_value(scores);
  if (max == kBanned) return {};
  std::vector<double> weights(scores.size());
  for (std::size_t i = 0; i < scores.size(); ++i) {
    weights[i] = scores[i] == kBanned ? 0.0 : std::exp(static_cast<double>(scores[i] - max));
  }
  return weights;
}

std::size_t draw(std::span<const double> weights, double uniform) {
  double total = 0;
  for (const double weight : weights) total += weight;
  double left = uniform * total;
  std::size_t chosen = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (weights[i] <= 0) continue;
    chosen = i;  // stays the last positive one where rounding lets `left` outlive them all
    left -= weights[i];
    if (left < 0) break;
  }
  return chosen;
}

}  // namespace instructblip
