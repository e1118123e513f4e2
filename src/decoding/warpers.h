// From scores to the distribution that a token is drawn from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "instructblip/generation.h"

namespace instructblip {

// Each sets the scores of tokens that may not be drawn to -inf. `keep` tokens stay in any case.

// All but the `count` largest; those equal to the smallest of them stay too.
void keep_top_k(std::span<float> scores, std::size_t count);

// The least likely tokens, as long as their probabilities add up to no more than 1 - mass.
void keep_top_p(std::span<float> scores, double mass, std::size_t keep);

// The tokens less than `share` times as likely as the likeliest.
void drop_below(std::span<float> scores, double share, std::size_t keep);

// All but the tokens whose information is closest to the entropy and which add up to `mass`
// (Meister et al., "Locally typical sampling").
void keep_typical(std::span<float> scores, double mass, std::size_t keep);

// The processors that only sampling has, in the reference's order: temperature, top-k, top-p,
// min-p, typical; and what renormalize_logits asks for, which comes last of all.
class Warpers {
 public:
  // `options` has every value filled; without do_sample nothing is done. `stop_ids` is the number
  // of stop ids: with beams, one more token than those always stays, so that a hypothesis can go
  // on.
  Warpers(const GenerationConfig& options, std::size_t stop_ids);

  // Throws Error(invalid_argument) where the temperature lets scores overflow.
  void apply(std::span<float> scores) const;

 private:
  bool enabled_;
  float temperature_;
  std::size_t top_k_;
  double top_p_;
  double min_p_;
  double typical_p_;
  bool renormalize_;
  std::size_t keep_;
};

// Weights proportional to softmax(scores), the largest 1; empty where every score is -inf. No score
// is NaN or +inf.
std::vector<double> softmax_weights(std::span<const float> scores);

// The index that `uniform`, in [0, 1), falls on where index i has a share of weights[i]; an index
// of weight 0 is never returned. The weights have a positive sum.
std::size_t draw(std::span<const double> weights, double uniform);

}  // namespace instructblip
