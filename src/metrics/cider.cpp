#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "core/boundary.h"
#include "instructblip/metrics.h"

namespace instructblip {
namespace {

constexpr std::size_t kLongest = 4;  // words of an n-gram
constexpr double kSigma = 6;         // width of the penalty on other lengths

using Counts = std::unordered_map<std::string, double>;

// Counts of a text's n-grams, by their length less one.
using Grams = std::array<Counts, kLongest>;

std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> words;
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(' '));
    if (!word.empty()) words.push_back(word);
    text.remove_prefix(std::min(text.size(), word.size() + 1));
  }
  return words;
}

Grams grams_of(const std::string& text) {
  const std::string clean = caption_words(text);
  const std::vector<std::string_view> words = split(clean);
  Grams grams;
  for (std::size_t begin = 0; begin < words.size(); ++begin) {
    std::string gram;
    for (std::size_t n = 0; n < kLongest && begin + n < words.size(); ++n) {
      gram += (n > 0 ? " " : "") + std::string(words[begin + n]);
      ++grams[n][gram];
    }
  }
  return grams;
}

// A text as vectors of weights, for each length of n-grams.
struct Weighted {
  Grams weights;
  std::array<double, kLongest> norms{};
  double length = 0;  // pairs of words
};

class Weights {
 public:
  explicit Weights(const std::vector<std::vector<Grams>>& references)
      : log_pictures_(std::log(static_cast<double>(references.size()))) {
    for (const std::vector<Grams>& of_picture : references) {
      std::unordered_set<std::string> seen;
      for (const Grams& reference : of_picture) {
        for (const Counts& counts : reference) {
          for (const auto& [gram, count] : counts) seen.insert(gram);
        }
      }
      for (const std::string& gram : seen) ++pictures_[gram];
    }
  }

  Weighted of(const Grams& grams) const {
    Weighted text;
    for (std::size_t n = 0; n < kLongest; ++n) {
      double squares = 0;
      for (const auto& [gram, count] : grams[n]) {
        const auto found = pictures_.find(gram);
        const double pictures = found == pictures_.end() ? 0 : found->second;
        const double weight = count * (log_pictures_ - std::log(std::max(1.0, pictures)));
        text.weights[n][gram] = weight;
        squares += weight * weight;
        if (n == 1) text.length += count;
      }
      text.norms[n] = std::sqrt(squares);
    }
    return text;
  }

 private:
  Counts pictures_;  // in whose references an n-gram is
  double log_pictures_;
};

// The mean over lengths of n-grams.
double similarity(const Weighted& caption, const Weighted& reference) {
  const double delta = caption.length - reference.length;
  const double penalty = std::exp(-delta * delta / (2 * kSigma * kSigma));
  double sum = 0;
  for (std::size_t n = 0; n < kLongest; ++n) {
    double product = 0;
    for (const auto& [gram, weight] : caption.weights[n]) {
      const auto found = reference.weights[n].find(gram);
      const double other = found == reference.weights[n].end() ? 0 : found->second;
      product += std::min(weight, other) * other;
    }
    const double norms = caption.norms[n] * reference.norms[n];
    sum += (norms > 0 ? product / norms : product) * penalty;
  }
  return sum / kLongest;
}

}  // namespace

std::vector<double> cider(std::span<const CaptionPair> pairs) {
  return at_boundary([&] {
    std::vector<std::vector<Grams>> references;
    for (const CaptionPair& pair : pairs) {
      if (pair.references.empty()) {
        throw Error(ErrorCode::invalid_argument, "cider: picture " +
                                                     std::to_string(references.size() + 1) +
                                                     " has no reference, expected one at least");
      }
      std::vector<Grams>& own = references.emplace_back();
      for (const std::string& reference : pair.references) own.push_back(grams_of(reference));
    }
    const Weights weights(references);
    std::vector<double> scores;
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      const Weighted caption = weights.of(grams_of(pairs[i].caption));
      double sum = 0;
      for (const Grams& reference : references[i]) {
        sum += similarity(caption, weights.of(reference));
      }
      scores.push_back(10 * sum / static_cast<double>(references[i].size()));
    }
    return scores;
  });
}

}  // namespace instructblip
