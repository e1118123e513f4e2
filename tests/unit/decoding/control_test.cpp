// What ends a decoding loop besides its own rules: the caller, the clock, a damaged model.
#include <gtest/gtest.h>

#include <limits>

#include "decoding/log_softmax.h"
#include "instructblip/error.h"
#include "unit/decoding/fake_session.h"

namespace instructblip::testing {
namespace {

using Runs = std::vector<std::vector<std::int32_t>>;

struct Mode {
  const char* name;
  int beams;
  bool sample;
  int rows;
};

class Control : public ::testing::TestWithParam<Mode> {
 protected:
  Control() {
    model_.stop_ids = {7};
    request_.stop_ids = {7};
    request_.prompt_ids = {3, 1};
    set(10);
  }

  void set(int max_new_tokens, int min_new_tokens = 10) {
    GenerationConfig options;
    options.num_beams = GetParam().beams;
    options.do_sample = GetParam().sample;
    options.num_return_sequences = GetParam().rows;
    options.max_new_tokens = max_new_tokens;
    options.min_new_tokens = std::min(max_new_tokens, min_new_tokens);
    options.logprobs = true;
    request_.options = filled(options);
  }

  DecodeResult run() {
    FakeSession session(model_, request_.prompt_ids);
    session.tamper = tamper_;
    DecodeResult result = decode(session, request_);
    steps_ = session.steps();
    return result;
  }

  Error error() {
    try {
      run();
    } catch (const Error& caught) {
      return caught;
    }
    ADD_FAILURE() << "expected an Error";
    return Error(ErrorCode::internal, "");
  }

  FakeModel model_;
  DecodeRequest request_;
  std::function<void(int, std::vector<float>&)> tamper_;
  int steps_ = 0;
};

TEST_P(Control, BadWordsTheReferenceRefusesAreRefused) {
  request_.options.bad_words_ids = Runs{{3}, {1, static_cast<std::int32_t>(model_.vocabulary)}};
  EXPECT_NE(
      std::string(error().what()).find("bad_words_ids[1]: expected ids of at most 49, got 50"),
      std::string::npos);
  request_.options.bad_words_ids = Runs{{7}};  // the end token, which is never banned
  EXPECT_NO_THROW(run());
  request_.options.bad_words_ids = Runs{{7}, {3}};
  request_.options.suppress_tokens = {-1, static_cast<std::int32_t>(model_.vocabulary)};
  EXPECT_NO_THROW(run());
}

TEST_P(Control, EveryStepIsTold) {
  std::vector<std::int32_t> told;
  request_.on_step = [&](std::int32_t id) {
    told.push_back(id);
    return Flow::go;
  };
  const DecodeResult result = run();
  EXPECT_EQ(told.size(), 10u);
  EXPECT_EQ(steps_, 9) << "the model does not run for a token that nobody reads";
  const bool single = GetParam().beams == 1 && GetParam().rows == 1;
  EXPECT_EQ(told, single ? result.sequences[0].tokens : std::vector<std::int32_t>(10, -1));
}

TEST_P(Control, CancelAndStopKeepWhatThereIs) {
  for (const auto& [flow, reason] : {std::pair{Flow::cancel, FinishReason::cancelled},
                                     std::pair{Flow::stop, FinishReason::stop}}) {
    int steps = 0;
    request_.on_step = [&, f = flow](std::int32_t) { return ++steps == 4 ? f : Flow::go; };
    const DecodeResult result = run();
    ASSERT_EQ(result.sequences.size(), static_cast<std::size_t>(GetParam().rows));
    for (const DecodedSequence& sequence : result.sequences) {
      EXPECT_EQ(sequence.tokens.size(), 4u);
      EXPECT_EQ(sequence.logprobs.size(), 4u);
      EXPECT_EQ(sequence.finish_reason, reason);
      EXPECT_LT(sequence.score, 0);
    }
    EXPECT_EQ(steps_, 3);
  }
}

TEST_P(Control, AStopRequestBeforeTheFirstStepGivesAnEmptyAnswer) {
  std::stop_source source;
  source.request_stop();
  request_.stop = source.get_token();
  tamper_ = [](int, std::vector<float>&) { ADD_FAILURE() << "the model ran"; };
  const DecodeResult result = run();
  ASSERT_FALSE(result.sequences.empty());
  EXPECT_TRUE(result.sequences[0].tokens.empty());
  EXPECT_EQ(result.sequences[0].finish_reason, FinishReason::cancelled);
}

TEST_P(Control, AStopRequestInBetweenEndsTheLoop) {
  std::stop_source source;
  request_.stop = source.get_token();
  tamper_ = [&](int step, std::vector<float>&) {
    if (step == 2) source.request_stop();
  };
  const DecodeResult result = run();
  EXPECT_EQ(result.sequences[0].tokens.size(), 3u);
  EXPECT_EQ(result.sequences[0].finish_reason, FinishReason::cancelled);
}

TEST_P(Control, ThePassedDeadlineIsAnError) {
  request_.deadline = std::chrono::steady_clock::now() + std::chrono::hours(1);
  EXPECT_EQ(run().sequences[0].tokens.size(), 10u);
  request_.deadline = std::chrono::steady_clock::now() - std::chrono::milliseconds(1);
  EXPECT_EQ(error().code(), ErrorCode::deadline);
}

TEST_P(Control, NonFiniteLogitsNeverBecomeTokens) {
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
        -std::numeric_limits<float>::infinity()}) {
    for (const int at : {0, 3}) {
      tamper_ = [&](int step, std::vector<float>& logits) {
        if (step == at) logits[logits.size() - 2] = bad;
      };
      const Error caught = error();
      EXPECT_EQ(caught.code(), ErrorCode::bad_model);
      EXPECT_NE(std::string(caught.what()).find("step " + std::to_string(at)), std::string::npos)
          << caught.what();
    }
  }
}

TEST_P(Control, LogitsOfAnotherSizeAreOurOwnError) {
  tamper_ = [](int step, std::vector<float>& logits) {
    if (step == 1) logits.pop_back();
  };
  EXPECT_EQ(error().code(), ErrorCode::internal);
}

TEST_P(Control, WithoutStopIdsTheLengthEnds) {
  request_.stop_ids.clear();
  set(6, 0);
  for (const DecodedSequence& sequence : run().sequences) {
    EXPECT_EQ(sequence.tokens.size(), 6u);
    EXPECT_EQ(sequence.finish_reason, FinishReason::length);
  }
}

TEST_P(Control, WhatTheCallbackThrowsPassesThrough) {
  request_.on_step = [](std::int32_t) -> Flow { throw std::runtime_error("mine"); };
  EXPECT_THROW(run(), std::runtime_error);
}

INSTANTIATE_TEST_SUITE_P(Searches, Control,
                         ::testing::Values(Mode{"greedy", 1, false, 1},
                                           Mode{"sampling", 1, true, 1}, Mode{"rows", 1, true, 3},
                                           Mode{"beams", 4, false, 2},
                                           Mode{"beam_sampling", 4, true, 2}),
                         [](const auto& mode) { return mode.param.name; });

TEST(Decode, AWonAnswerSurvivesACancelledBeamSearch) {
  FakeModel model;
  model.stop_ids = {7};
  model.stop_bonus = 16;
  DecodeRequest request;
  request.stop_ids = {7};
  request.prompt_ids = {3};
  GenerationConfig options;
  options.num_beams = 3;
  options.max_new_tokens = 20;
  options.early_stopping = EarlyStopping::never;
  options.length_penalty = 0;
  request.options = filled(options);
  request.on_step = [](std::int32_t) { return Flow::cancel; };
  FakeSession session(model, request.prompt_ids);
  const DecodeResult result = decode(session, request);
  ASSERT_EQ(result.sequences.size(), 1u);
  EXPECT_EQ(result.sequences[0].tokens, (std::vector<std::int32_t>{7}));
  EXPECT_EQ(result.sequences[0].finish_reason, FinishReason::cancelled);
}

// However many continuations complete one: the old beam scorer has no beams in reserve for them.
TEST(Decode, AStopStringThatEveryContinuationCompletesEndsTheSearch) {
  for (const int share : {1, 2, 3}) {  // every token, every other, every third
    const TextStopMatcher matcher({"!"}, [share](std::span<const std::int32_t> tokens) {
      std::string text;
      for (const std::int32_t token : tokens) text += token % share == 0 ? '!' : 'a';
      return text;
    });
    FakeModel model;
    DecodeRequest request;
    request.prompt_ids = {3};
    request.stop_ids = {7};
    request.stops = &matcher;
    request.beam_scorer = BeamScorer::transformers_4_33;
    GenerationConfig options;
    options.num_beams = 6;
    options.num_return_sequences = 3;
    options.max_new_tokens = 12;
    options.early_stopping = EarlyStopping::never;
    request.options = filled(options);
    FakeSession session(model, request.prompt_ids);
    const DecodeResult result = decode(session, request);
    ASSERT_EQ(result.sequences.size(), 3u);
    for (const DecodedSequence& sequence : result.sequences) {
      const bool ends = sequence.tokens.back() % share == 0 || sequence.tokens.back() == 7;
      EXPECT_EQ(sequence.finish_reason, ends ? FinishReason::stop : FinishReason::length);
    }
  }
}

TEST(Decode, ATinyVocabularyIsRefusedForBeamsOnly) {
  FakeModel model;
  model.vocabulary = 3;
  DecodeRequest request;
  request.stop_ids = {0, 1, 2};
  request.prompt_ids = {1};
  GenerationConfig options;
  request.options = filled(options);
  FakeSession greedy(model, request.prompt_ids);
  EXPECT_NO_THROW(decode(greedy, request));
  options.num_beams = 2;
  request.options = filled(options);
  FakeSession beams(model, request.prompt_ids);
  EXPECT_THROW(decode(beams, request), Error);
}

TEST(Decode, ALowTemperatureThatOverflowsIsAnErrorAndNotAToken) {
  FakeModel model;
  DecodeRequest request;
  request.prompt_ids = {1};
  GenerationConfig options;
  options.do_sample = true;
  options.temperature = 1e-38;
  request.options = filled(options);
  FakeSession session(model, request.prompt_ids);
  try {
    decode(session, request);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
  }
}

TEST(Decode, AVeryLowTemperatureIsGreedy) {
  FakeModel model;
  DecodeRequest request;
  request.prompt_ids = {1};
  GenerationConfig options;
  options.max_new_tokens = 12;
  request.options = filled(options);
  FakeSession greedy(model, request.prompt_ids);
  const auto expected = decode(greedy, request).sequences[0].tokens;
  options.do_sample = true;
  options.temperature = 1e-5;
  request.options = filled(options);
  FakeSession session(model, request.prompt_ids);
  EXPECT_EQ(decode(session, request).sequences[0].tokens, expected);
}

TEST(Decode, EveryTokenBannedIsAnErrorWhenDrawing) {
  FakeModel model;
  model.vocabulary = 4;
  DecodeRequest request;
  request.prompt_ids = {0};
  GenerationConfig options;
  options.do_sample = true;
  options.no_repeat_ngram_size = 1;
  options.max_new_tokens = 10;
  request.options = filled(options);
  FakeSession session(model, request.prompt_ids);
  EXPECT_THROW(decode(session, request), Error);
}

}  // namespace
}  // namespace instructblip::testing
