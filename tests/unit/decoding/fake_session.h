// The fake language model of tests/golden/decoding/make_goldens.py, and cases read from its files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/json.h"
#include "decoding/search.h"

namespace instructblip::testing {

// Logits as an integer hash of the token history.
struct FakeModel {
  std::int64_t vocabulary = 50;
  int mode = 0;  // what the logits depend on: 0 all ids, 1 the last one, 2 the length
  std::uint32_t seed = 1;
  std::uint32_t levels = 4096;  // distinct values
  float gap = 1.0f / 256;       // between them
  float stop_bonus = 0;
  std::vector<std::int32_t> stop_ids;

  std::vector<float> logits(std::span<const std::int32_t> history) const;
};

// Keeps a history per row, and fails the test where a step is not consistent with the last one.
class FakeSession {
 public:
  FakeSession(FakeModel model, std::vector<std::int32_t> prompt);

  std::int64_t vocabulary() const { return model_.vocabulary; }
  std::span<const float> run(const Step& step);

  int steps() const { return steps_; }
  // Changes the logits of a step (0: the prompt's) before they are handed out.
  std::function<void(int step, std::vector<float>& logits)> tamper = {};

 private:
  std::span<const float> hand_out();

  FakeModel model_;
  std::vector<std::vector<std::int32_t>> rows_;
  std::vector<float> logits_;
  std::map<std::size_t, std::vector<std::vector<std::int32_t>>> kept_;  // by length
  int steps_ = 0;
  bool prompt_read_ = false;
};

// The whole loop.
struct DecodeResult {
  std::vector<DecodedSequence> sequences;
};
DecodeResult decode(FakeSession& session, const DecodeRequest& request);
// The same, with the Logits that `make_logits` makes of the rows of each step.
using MakeLogits = std::function<std::unique_ptr<Logits>(std::span<const float> logits)>;
DecodeResult decode(FakeSession& session, Search& search, const MakeLogits& make_logits);

// One case of a golden file.
struct GoldenCase {
  FakeModel model;
  DecodeRequest request;  // options resolved
  Json json;
};

// Every case of `name`, and of the same file in the directory that the environment variable
// INSTRUCTBLIP_DECODING_GOLDENS names, for runs over more of them.
std::vector<GoldenCase> golden_cases(const std::string& name);

// Options with every value filled, on top of `asked`.
GenerationConfig filled(GenerationConfig asked = {});

}  // namespace instructblip::testing
