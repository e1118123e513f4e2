// A decoder read in one pass and token by token, alone and packed with others: one forward serves
// all of them.
#include <ATen/Parallel.h>
#include <ATen/ops/cat.h>
#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "adapters/weight_sources.h"
#include "config/model_config.h"
#include "language/language_model.h"
#include "unit/nn/tensors.h"

namespace instructblip {
namespace {

using Ids = std::vector<std::int32_t>;

constexpr double kRounding = 2e-4;

struct Loaded {
  nn::Runtime runtime;
  ModelConfig config;
  std::unique_ptr<const LanguageModel> model;

  Loaded(const std::string& name, nn::Numerics numerics) : runtime(1, numerics) {
    at::set_num_threads(1);
    const std::filesystem::path directory =
        std::filesystem::path(INSTRUCTBLIP_SOURCE_DIR) / "tests/golden/checkpoints" / name;
    config = read_model_config(directory);
    nn::WeightLoader loader(
        runtime, std::make_shared<const TensorStore>(gather_weights({directory}, config)));
    model = make_language_model(loader.root() / "language_model", config.text);
  }

  // The logits of the token that comes after `prompt`, and the state to go on from.
  at::Tensor read(const Ids& prompt, std::unique_ptr<LanguageState>& state) const {
    state = model->start(model->embed(prompt));
    return model->prefill(std::array{state.get()});
  }
};

class Decoder : public testing::TestWithParam<std::tuple<std::string, nn::Numerics>> {
 protected:
  Decoder() : loaded_(std::get<0>(GetParam()), std::get<1>(GetParam())) {}
  const Loaded loaded_;
};

const Ids kPrompt = {1, 9, 5, 12, 7, 3};
const Ids kFirst = {0};

// Only a decoder that reads the prompt itself; T5's prompt goes through the encoder.
class DecoderOnly : public Decoder {};

TEST_P(DecoderOnly, TokenByTokenIsAsInOnePass) {
  std::unique_ptr<LanguageState> whole, grown;
  at::Tensor logits = loaded_.read({kPrompt.begin(), kPrompt.begin() + 2}, grown);
  for (std::size_t read = 2; read <= kPrompt.size(); ++read) {
    const Ids prompt(kPrompt.begin(), kPrompt.begin() + static_cast<std::ptrdiff_t>(read));
    EXPECT_LT(largest_difference(logits, loaded_.read(prompt, whole)), kRounding) << read;
    if (read == kPrompt.size()) break;
    const Ids token = {kPrompt[read]};
    logits = loaded_.model->step(std::array{LanguageStep{grown.get(), kFirst, token}}).rows;
  }
}

// Two requests and their hypotheses in one pass, against each hypothesis by itself.
TEST_P(Decoder, HypothesesOfSeveralRequestsAreAsEachAlone) {
  const std::array<Ids, 2> prompts = {kPrompt, Ids{4, 2, 11}};
  std::array<std::unique_ptr<LanguageState>, 2> states;
  for (std::size_t i = 0; i < 2; ++i) {
    states[i] = loaded_.model->start(loaded_.model->embed(prompts[i]));
  }
  const at::Tensor first = loaded_.model->prefill(std::array{states[0].get(), states[1].get()});
  // Rows of each step: where they come from, and their tokens.
  struct Step {
    Ids sources, tokens;
  };
  const std::array<std::vector<Step>, 2> steps = {
      std::vector<Step>{{{0, 0, 0}, {6, 8, 10}}, {{2, 0, 2}, {3, 4, 5}}, {{1, 1}, {9, 2}}},
      std::vector<Step>{{{0}, {7}}, {{0, 0}, {8, 13}}, {{1, 0}, {5, 6}}}};
  std::array<std::vector<Ids>, 2> texts = {std::vector<Ids>{{}}, std::vector<Ids>{{}}};
  const auto alone = [&](std::size_t request, const Ids& text) {
    std::unique_ptr<LanguageState> state;
    at::Tensor logits = loaded_.read(prompts[request], state);
    for (const std::int32_t token : text) {
      const Ids one = {token};
      logits = loaded_.model->step(std::array{LanguageStep{state.get(), kFirst, one}}).rows;
    }
    return logits[0];
  };
  for (std::int64_t i = 0; i < 2; ++i) {
    EXPECT_LT(largest_difference(first[i], alone(static_cast<std::size_t>(i), {})), kRounding);
  }
  for (std::size_t step = 0; step < 3; ++step) {
    std::vector<LanguageStep> packed;
    for (std::size_t i = 0; i < 2; ++i) {
      packed.push_back({states[i].get(), steps[i][step].sources, steps[i][step].tokens});
    }
    const at::Tensor logits = loaded_.model->step(packed).rows;
    std::int64_t row = 0;
    for (std::size_t i = 0; i < 2; ++i) {
      std::vector<Ids> next;
      for (std::size_t r = 0; r < steps[i][step].sources.size(); ++r) {
        next.push_back(texts[i][static_cast<std::size_t>(steps[i][step].sources[r])]);
        next.back().push_back(steps[i][step].tokens[r]);
        EXPECT_LT(largest_difference(logits[row++], alone(i, next.back())), kRounding)
            << "request " << i << " step " << step << " row " << r;
      }
      texts[i] = next;
    }
  }
}

std::string name_of(const testing::TestParamInfo<Decoder::ParamType>& test) {
  return std::get<0>(test.param) +
         (std::get<1>(test.param) == nn::Numerics::reference ? "_reference" : "_deterministic");
}

const auto kNumerics = testing::Values(nn::Numerics::reference, nn::Numerics::deterministic);

// LLaMA, with grouped heads, with positions that depend on the length; OPT with norms before and
// after; T5.
INSTANTIATE_TEST_SUITE_P(Models, DecoderOnly,
                         testing::Combine(testing::Values("vicuna_2023", "vicuna_gqa", "blip2_opt",
                                                          "blip2_opt_postln"),
                                          kNumerics),
                         name_of);
INSTANTIATE_TEST_SUITE_P(Models, Decoder,
                         testing::Combine(testing::Values("vicuna_2023", "vicuna_gqa",
                                                          "vicuna_dynamic", "blip2_opt",
                                                          "blip2_opt_postln", "t5_2024"),
                                          kNumerics),
                         name_of);

}  // namespace
}  // namespace instructblip
