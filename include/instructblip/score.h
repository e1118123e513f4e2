/// How likely a given answer is: token by token, and for many pictures and texts at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "instructblip/generation.h"
#include "instructblip/ranking.h"

namespace instructblip {

/// How answers are scored.
struct ScoreOptions {
  /// Whether the end token is a part of the answer; see RankOptions::end_token.
  std::optional<bool> end_token = {};
};

/// An answer, read token by token behind the prompt.
struct ScoredAnswer {
  std::vector<std::int32_t> tokens;  ///< the end token included where it counts
  std::vector<std::string> pieces;   ///< each token as the vocabulary writes it, UTF-8
  std::vector<float> logprobs;       ///< natural log-softmax of the raw logits, one per token
  double sum = 0;                    ///< log probability of the whole answer
  double mean = 0;                   ///< the same for each token
  double perplexity = 1;             ///< exp(-mean), at least 1
};

/// The answers of one call, and what it took.
struct Scores {
  std::vector<ScoredAnswer> answers;  ///< in the order in which they were given
  int prompt_tokens = 0;   ///< positions of the language model's prompt, image tokens included
  int qformer_tokens = 0;  ///< instruction tokens read by the Q-Former
  Timings timings;
};

/// What pictures and texts are compared by. The defaults are those of VQAScore: Lin et al.,
/// "Evaluating Text-to-Visual Generation with Image-to-Text Generation", 2024 (arXiv 2404.01291).
struct MatrixOptions {
  /// The instruction; each text replaces {}, which must occur at least once.
  std::string instruction = "Does this figure show \"{}\"? Please answer yes or no.";
  std::string answer = "Yes";
  /// The published VQAScore is the exponential of the mean over the answer's tokens.
  RankBy by = RankBy::mean;
  std::optional<bool> end_token = {};  ///< see RankOptions::end_token
};

/// The log probability of the answer for each picture and text.
struct ScoreMatrix {
  std::size_t pictures = 0, texts = 0;
  std::vector<double> scores;  ///< row-major [pictures, texts]; sums or means, as asked for

  /// Natural logarithm, at most 0. `picture` < pictures, `text` < texts.
  double score(std::size_t picture, std::size_t text) const {
    return scores[picture * texts + text];
  }
};

}  // namespace instructblip
