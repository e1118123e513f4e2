// What the commands print with --json: a contract, described in docs/command-line.md.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/failure.h"
#include "instructblip/doctor.h"
#include "instructblip/generation.h"
#include "instructblip/pipeline.h"
#include "instructblip/retrieval.h"
#include "options/settings.h"

namespace instructblip::cli {

using options::Settings;

// What something is about: the pictures of a request, or the files of features, and the
// instruction.
struct Subject {
  std::vector<std::string> pictures;  // as given; one at least
  std::optional<std::string> instruction = {};
  bool are_features = false;
  bool is_video = false;                  // the one of `pictures` is a video
  std::vector<std::int64_t> frames = {};  // its frames that are looked at, from 0
};

// What `match` says of a picture and a text.
struct Comparison {
  std::string image, text;
  Match match;
  float similarity;
};

// What `rank` says of a picture.
struct Ranking {
  Subject subject;
  std::vector<std::string> candidates;
  std::vector<RankedCandidate> ranked;
  bool with_spellings = false, with_priors = false;  // whether these were asked for
};

// How well a text goes with a picture: how likely the answer is to the question about it.
struct MatrixCell {
  Subject subject;
  std::string text, answer;
  double log_probability, probability;
};

// One line each, without its end. Bytes that are not UTF-8 become U+FFFD.
std::string to_json(const Generation& generation, const Subject& subject, const Settings& settings,
                    const ModelInfo& info);
std::string to_json(const ModelInfo& info, bool with_tensors);
std::string to_json(const TokenizedText& tokens);
std::string to_json(const SystemReport& report);
std::string to_json(const Comparison& pair);
std::string to_json(const Ranking& ranking, const ModelInfo& info);
std::string to_json(const Scores& scores, const std::vector<std::string>& answers,
                    const Subject& subject, const Pipeline& pipeline);
std::string to_json(const MatrixCell& cell);
// In place of an answer.
std::string to_json(const Failure& failure, const std::string& message, const Subject& subject);

// All that decides about an answer besides pictures and texts, for keys: not how fast it comes.
std::string fingerprint(const Settings& settings, const ModelInfo& info);

// New tokens of the first answer over the time of decoding; 0 where there was no step to time.
double tokens_per_second(const Generation& generation);

// The most memory that this process has held, in bytes.
std::int64_t peak_rss_bytes();

}  // namespace instructblip::cli
