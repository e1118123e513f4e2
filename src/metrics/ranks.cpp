#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>

#include "core/boundary.h"
#include "instructblip/metrics.h"

namespace instructblip {

double reciprocal_rank(std::span<const std::size_t> ranking, std::size_t right) {
  const auto found = std::ranges::find(ranking, right);
  return found == ranking.end() ? 0 : 1.0 / static_cast<double>(found - ranking.begin() + 1);
}

// The sum of the positives' ranks (Mann and Whitney); equal scores share the mean of their ranks.
double roc_auc(std::span<const double> scores, const std::vector<bool>& positive) {
  return at_boundary([&] {
    const auto positives = static_cast<double>(std::ranges::count(positive, true));
    const double negatives = static_cast<double>(positive.size()) - positives;
    const bool finite =
        std::ranges::all_of(scores, [](double score) { return std::isfinite(score); });
    if (positive.size() != scores.size() || positives == 0 || negatives == 0 || !finite) {
      throw Error(ErrorCode::invalid_argument,
                  "roc_auc: expected a finite score for each example and examples of both kinds, "
                  "got " +
                      std::to_string(scores.size()) + " scores and " +
                      std::to_string(positive.size()) + " examples");
    }
    std::vector<std::size_t> order(scores.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::sort(order, {}, [&](std::size_t i) { return scores[i]; });
    double ranks = 0;
    for (std::size_t begin = 0, end = 0; begin < order.size(); begin = end) {
      while (end < order.size() && scores[order[end]] == scores[order[begin]]) ++end;
      const double rank = (static_cast<double>(begin + end) + 1) / 2;
      for (std::size_t i = begin; i < end; ++i) ranks += positive[order[i]] ? rank : 0;
    }
    return (ranks - positives * (positives + 1) / 2) / (positives * negatives);
  });
}

}  // namespace instructblip
