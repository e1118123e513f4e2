// Where no answer may be empty, none is, however much the model wants to stop at once.
#include <gtest/gtest.h>

#include <algorithm>
#include <tuple>

#include "unit/decoding/fake_session.h"

namespace instructblip::testing {
namespace {

constexpr std::int32_t kStop = 7;
constexpr std::int32_t kFirstWithText = 40;  // tokens below are white space

bool is_empty(std::span<const std::int32_t> tokens) {
  return std::ranges::none_of(tokens, [](std::int32_t id) { return id >= kFirstWithText; });
}

DecodeRequest request_of(int beams, bool sample, int tokens) {
  GenerationConfig options;
  options.num_beams = beams;
  options.do_sample = sample;
  options.max_new_tokens = tokens;
  options.seed = 5;
  return {.options = filled(options), .stop_ids = {kStop}, .prompt_ids = {3, 1}};
}

std::vector<DecodedSequence> run(const DecodeRequest& request) {
  FakeModel model{.stop_bonus = 30, .stop_ids = {kStop}};
  FakeSession session(model, request.prompt_ids);
  return decode(session, request).sequences;
}

class EmptyAnswer : public ::testing::TestWithParam<std::tuple<int, bool, int>> {};

TEST_P(EmptyAnswer, IsNeverGivenWhereThatIsAskedFor) {
  const auto [beams, sample, tokens] = GetParam();
  DecodeRequest request = request_of(beams, sample, tokens);
  EXPECT_TRUE(is_empty(run(request).front().tokens)) << "it stops at once";
  request.is_empty = is_empty;
  const std::vector<std::int32_t> answer = run(request).front().tokens;
  EXPECT_FALSE(is_empty(answer));
  // Nor does it go on once there is a text.
  const auto first = std::ranges::find_if(answer, [](auto id) { return id >= kFirstWithText; });
  EXPECT_LE(answer.end() - first, 2);
}

TEST_P(EmptyAnswer, DoesNotHangOnAForcedEnd) {
  const auto [beams, sample, tokens] = GetParam();
  if (tokens < 2) GTEST_SKIP() << "the forced end is the whole answer";
  DecodeRequest request = request_of(beams, sample, tokens);
  request.options.forced_eos_token_id = {kStop};
  request.is_empty = is_empty;
  EXPECT_FALSE(is_empty(run(request).front().tokens));
}

INSTANTIATE_TEST_SUITE_P(All, EmptyAnswer,
                         ::testing::Combine(::testing::Values(1, 3), ::testing::Bool(),
                                            ::testing::Values(1, 2, 6)));

}  // namespace
}  // namespace instructblip::testing
