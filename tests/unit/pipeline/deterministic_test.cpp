// LoadOptions::deterministic: the bits of an answer do not depend on what is beside it.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "instructblip/pipeline.h"
#include "unit/pipeline/toys.h"

namespace instructblip {
namespace {

using test::checkpoint;
using test::picture;

struct Case {
  std::string model;
  Precision precision = Precision::automatic;
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.model; }

class DeterministicTest : public testing::TestWithParam<Case> {
 protected:
  // Where bf16 is asked for, kernels of the processor may round rows to it, but for portable ones.
  static Pipeline load(int threads, bool deterministic = true) {
    const bool may_round = !deterministic && GetParam().precision == Precision::bf16;
    return Pipeline::load(checkpoint(GetParam().model),
                          {.precision = GetParam().precision,
                           .threads = threads,
                           .deterministic = deterministic,
                           .kernels = may_round ? "packed_linear=portable" : "",
                           .cache_bytes = 0});
  }
};

std::vector<Request> requests() {
  std::vector<Request> all;
  const char* pictures[] = {"astronaut.jpg", "coffee.jpg", "rocket.jpg"};
  std::string instruction = "What";
  for (int i = 0; i < 6; ++i) {
    GenerationConfig options;
    options.num_beams = 1 + i % 3;
    options.max_new_tokens = 3 + i;
    options.min_new_tokens = 3 + i;
    options.logprobs = true;
    all.push_back({picture(pictures[i % 3]), instruction, options});
    instruction += i % 2 == 0 ? " is" : " this, number " + std::to_string(i);
  }
  return all;
}

void expect_same_bits(const Generation& got, const Generation& want) {
  ASSERT_EQ(got.sequences.size(), want.sequences.size());
  for (std::size_t i = 0; i < got.sequences.size(); ++i) {
    EXPECT_EQ(got.sequences[i].tokens, want.sequences[i].tokens);
    EXPECT_EQ(got.sequences[i].score, want.sequences[i].score);
    EXPECT_EQ(got.sequences[i].logprobs, want.sequences[i].logprobs);
  }
}

TEST_P(DeterministicTest, TheSameBitsInAnyBatch) {
  const std::vector<Request> all = requests();
  const Pipeline pipeline = load(1);
  EXPECT_TRUE(pipeline.info().deterministic);
  std::vector<Generation> alone;
  for (const Request& request : all) {
    alone.push_back(pipeline.generate(request.pictures, request.instruction, request.options));
  }
  std::vector<std::size_t> order(all.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::mt19937 random(9);
  for (int round = 0; round < 3; ++round) {
    std::shuffle(order.begin(), order.end(), random);
    std::vector<Request> batch;
    for (const std::size_t i : order) batch.push_back(all[i]);
    const std::vector<Response> got = pipeline.generate(batch);
    for (std::size_t i = 0; i < order.size(); ++i) {
      SCOPED_TRACE("round " + std::to_string(round) + ", request " + std::to_string(order[i]));
      ASSERT_TRUE(got[i].generation) << got[i].error->what();
      expect_same_bits(*got[i].generation, alone[order[i]]);
    }
  }
}

TEST_P(DeterministicTest, TheSameBitsAtAnyNumberOfThreads) {
  const auto stages = [](const Pipeline& pipeline) {
    return pipeline.features(picture(), "What is this?");
  };
  const std::vector<NamedTensor> want = stages(load(1));
  for (const int threads : {2, 5}) {
    const std::vector<NamedTensor> got = stages(load(threads));
    ASSERT_EQ(got.size(), want.size());
    for (std::size_t i = 0; i < want.size(); ++i) {
      EXPECT_EQ(got[i].values, want[i].values) << want[i].name << ", threads: " << threads;
    }
  }
}

TEST_P(DeterministicTest, TheAnswersAreTheFastOnes) {
  const Pipeline fixed = load(1), fast = load(1, /*deterministic=*/false);
  for (const Request& request : requests()) {
    const Generation want = fast.generate(request.pictures, request.instruction, request.options);
    const Generation got = fixed.generate(request.pictures, request.instruction, request.options);
    EXPECT_EQ(got.tokens(), want.tokens());
    EXPECT_NEAR(got.score(), want.score(), 1e-3);
  }
}

INSTANTIATE_TEST_SUITE_P(Models, DeterministicTest,
                         testing::Values(Case{"t5_2024"}, Case{"t5_gelu_new"}, Case{"vicuna_2024"},
                                         Case{"vicuna_gqa"}, Case{"blip2_opt"}, Case{"llava_hub"},
                                         Case{"t5_2024", Precision::f16},
                                         Case{"vicuna_2024", Precision::bf16}));

}  // namespace
}  // namespace instructblip
