// Passes that a device begins before the host has chosen their tokens: what is answered is what
// would be answered without, and they are the passes that were wanted.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "loading/devices.h"
#include "pipeline/batch.h"
#include "pipeline/job.h"
#include "pipeline/prepare.h"
#include "support/cuda_device.h"
#include "unit/nn/emulated_device.h"
#include "unit/pipeline/models.h"

namespace instructblip {
namespace {

using test::picture;
using test::tokens;

std::unique_ptr<const ModelParts> load(const std::string& name, const ChangeTables& change = {}) {
  return test::load(test::checkpoint(name), std::make_unique<EmulatedRuntime>(at::kHalf, change),
                    {.precision = Precision::f16});
}

// Where the host alone chooses.
std::unique_ptr<const ModelParts> load_waiting(const std::string& name) {
  kernels::Machine device;
  device.cuda_capability = 90;
  const auto none = kernels::Choice::parse("next_rows=none", "kernels", device);
  return test::load(test::checkpoint(name), std::make_unique<EmulatedRuntime>(at::kHalf, none),
                    {.precision = Precision::f16});
}

std::int64_t begun_ahead(const ModelParts& model) { return model.counts->passes_ahead; }

// Requests that are admitted after so many passes.
struct Coming {
  Request request;
  int after = 0;
};

std::vector<Generation> answers(const ModelParts& model, const std::vector<Coming>& coming) {
  Batch batch(model);
  std::vector<std::shared_ptr<Job>> jobs;
  int passes = 0;
  const auto admit = [&] {
    for (; jobs.size() < coming.size() && coming[jobs.size()].after <= passes;) {
      jobs.push_back(prepare(model, coming[jobs.size()].request, {{}, jobs.size()}));
      batch.admit(jobs.back());
    }
  };
  for (admit(); !batch.empty() || jobs.size() < coming.size(); admit()) {
    batch.advance();
    ++passes;
  }
  std::vector<Generation> all;
  all.reserve(jobs.size());
  for (const auto& job : jobs) all.push_back(answer_of(*job));
  return all;
}

// Scores may differ where requests have met in other steps: how a device adds up attention depends
// on who shares a launch.
enum class Scores { equal, near };

void expect_equal(const Generation& a, const Generation& b, Scores scores) {
  ASSERT_EQ(a.sequences.size(), b.sequences.size());
  for (std::size_t i = 0; i < a.sequences.size(); ++i) {
    const Sequence &x = a.sequences[i], &y = b.sequences[i];
    EXPECT_EQ(x.tokens, y.tokens) << i;
    EXPECT_EQ(x.finish_reason, y.finish_reason) << i;
    EXPECT_NEAR(x.score, y.score, scores == Scores::near ? 1e-2 : 0) << i;
    if (scores == Scores::near) continue;
    EXPECT_EQ(x.logprobs, y.logprobs) << i;
  }
}

void expect_answers_of_the_host(const ModelParts& ahead, const ModelParts& waiting,
                                const std::vector<Coming>& coming, Scores scores) {
  const auto got = answers(ahead, coming), want = answers(waiting, coming);
  for (std::size_t i = 0; i < want.size(); ++i) {
    SCOPED_TRACE(i);
    expect_equal(got[i], want[i], scores);
  }
}

GenerationConfig beams(int count, int new_tokens) {
  GenerationConfig options = tokens(new_tokens);
  options.num_beams = count;
  options.num_return_sequences = count;
  options.logprobs = true;
  return options;
}

// So many tokens, whatever they are: end tokens are banned.
GenerationConfig exactly(int new_tokens, GenerationConfig options) {
  options.max_new_tokens = options.min_new_tokens = new_tokens;
  return options;
}

class PassesAhead : public testing::TestWithParam<std::string> {
 protected:
  const std::unique_ptr<const ModelParts> ahead_ = load(GetParam()),
                                          waiting_ = load_waiting(GetParam());
};

TEST_P(PassesAhead, AreThoseThatAreWantedAndGiveTheSame) {
  constexpr int kTokens = 9;
  for (const int rows : {1, 3}) {
    SCOPED_TRACE(rows);
    const std::vector<Coming> one = {
        {{picture(), "What is this?", exactly(kTokens, beams(rows, kTokens))}}};
    // The first time records are made; only then are passes launched ahead.
    (void)answers(*ahead_, one);
    (void)answers(*waiting_, one);
    const std::int64_t first = records_launched_by_stand_in();
    const auto want = answers(*waiting_, one);
    const std::int64_t second = records_launched_by_stand_in(), begun = begun_ahead(*ahead_);
    const auto got = answers(*ahead_, one);
    expect_equal(got.front(), want.front(), Scores::equal);
    // The first token is the prompt's, and the step behind it is the first that another can follow.
    EXPECT_EQ(begun_ahead(*ahead_) - begun, kTokens - 2);
    EXPECT_EQ(records_launched_by_stand_in() - second, second - first);
  }
  EXPECT_EQ(ahead_->counts->passes_in_vain, 0);
  EXPECT_EQ(begun_ahead(*waiting_), 0);
}

INSTANTIATE_TEST_SUITE_P(Families, PassesAhead,
                         testing::Values("vicuna_old_ids", "t5_2024", "blip2_opt"),
                         [](const auto& test) { return test.param; });

TEST(PassAhead, OfEverySearchGivesTheAnswerOfTheHost) {
  const auto ahead = load("blip2_opt"), waiting = load_waiting("blip2_opt");
  std::vector<GenerationConfig> all = {tokens(20), beams(5, 9), exactly(20, beams(2, 20))};
  all.push_back(beams(2, 12));
  all.back().no_repeat_ngram_size = 2;  // bans that depend on what was chosen
  all.push_back(tokens(9));
  all.back().repetition_penalty = 1.5;  // more than bans
  all.push_back(tokens(6));
  all.back().do_sample = true;
  all.back().seed = 3;
  for (const int rows : {1, 2}) {
    all.push_back(beams(rows, 9));
    all.back().min_new_tokens = 6;  // bans that end
  }
  all.push_back(exactly(9, beams(2, 9)));
  all.back().stop = {"e"};
  for (std::size_t i = 0; i < all.size(); ++i) {
    SCOPED_TRACE(i);
    const Request request{picture(), "What is this?", all[i]};
    expect_answers_of_the_host(*ahead, *waiting, {{request}}, Scores::equal);
  }
  EXPECT_GT(begun_ahead(*ahead), 40);
}

TEST(PassAhead, EndsWhereTextsOutgrowTheTables) {
  const auto ahead = load("t5_2024"), waiting = load_waiting("t5_2024");
  for (const int rows : {1, 2}) {
    const int count =
        rows == 1 ? 70 : 20;  // positions of one row are padded to 64, of several to 16
    const Request request{picture(), "Who?", exactly(count, beams(rows, count))};
    expect_answers_of_the_host(*ahead, *waiting, {{request}}, Scores::equal);
  }
  EXPECT_GT(begun_ahead(*ahead), 70);
  EXPECT_EQ(ahead->counts->passes_in_vain, 0);
}

// Beyond the length of the training its angles depend on how long the text is.
TEST(PassAhead, EndsWhereAnglesLookAtLengths) {
  const auto ahead = load("vicuna_dynamic"), waiting = load_waiting("vicuna_dynamic");
  const Request request{picture(), "What is this?", exactly(24, beams(1, 24))};
  expect_answers_of_the_host(*ahead, *waiting, {{request}}, Scores::equal);
  EXPECT_GT(begun_ahead(*ahead), 0);
}

TEST(PassAhead, IsForWhomeverIsThere) {
  const auto ahead = load("t5_2024"), waiting = load_waiting("t5_2024");
  // They come and go, and one has another number of rows.
  expect_answers_of_the_host(*ahead, *waiting,
                             {{{picture(), "What is this?", exactly(10, beams(3, 10))}},
                              {{picture("coffee.jpg"), "Who?", exactly(7, beams(3, 7))}},
                              {{picture("rocket.jpg"), "Where is it?", exactly(5, beams(3, 5))}, 4},
                              {{picture(), "Who?", tokens(6)}, 9}},
                             Scores::near);
  // The first step of a prompt is of the size of the steps that are going on.
  expect_answers_of_the_host(*ahead, *waiting,
                             {{{picture(), "What is this?", exactly(12, beams(1, 12))}},
                              {{picture("coffee.jpg"), "Who?", exactly(8, beams(1, 8))}, 4},
                              {{picture("rocket.jpg"), "Who?", exactly(8, beams(1, 8))}, 7}},
                             Scores::near);
  EXPECT_GT(begun_ahead(*ahead), 8);
}

// Steps of two batches take turns, and are of one size: what one has put into the tables, the other
// one must not launch again.
void expect_two_batches_to_answer_as_each_alone(const ModelParts& ahead,
                                                const ModelParts& waiting) {
  for (const int rows : {1, 2}) {
    const std::vector<Request> requests = {
        {picture(), "What is this?", exactly(9, beams(rows, 9))},
        {picture("coffee.jpg"), "What is that?", exactly(9, beams(rows, 9))}};
    std::vector<std::shared_ptr<Job>> jobs;
    Batch batches[] = {Batch(ahead), Batch(ahead)};
    for (std::size_t i = 0; i < 2; ++i) {
      jobs.push_back(prepare(ahead, requests[i], {{}, i}));
      batches[i].admit(jobs[i]);
    }
    while (!batches[0].empty() || !batches[1].empty()) {
      for (Batch& batch : batches) batch.advance();
    }
    for (std::size_t i = 0; i < 2; ++i) {
      SCOPED_TRACE(i);
      expect_equal(answer_of(*jobs[i]), answers(waiting, {{requests[i]}}).front(), Scores::equal);
    }
  }
}

class TwoBatches : public testing::TestWithParam<std::string> {};

TEST_P(TwoBatches, AnswerAsEachAlone) {
  const auto ahead = load(GetParam()), waiting = load_waiting(GetParam());
  expect_two_batches_to_answer_as_each_alone(*ahead, *waiting);
}

INSTANTIATE_TEST_SUITE_P(Families, TwoBatches, testing::Values("t5_2024", "blip2_opt"),
                         [](const auto& test) { return test.param; });

// The same on a device of hardware.
class CudaDeviceAhead : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    const DeviceChoice choice = test::automatic_device();
    if (!choice.cuda) GTEST_SKIP() << choice.why_not;
    const auto load_there = [&](const std::string& kernels) {
      return test::load(test::checkpoint(GetParam()),
                        make_cuda_runtime(*choice.cuda, 1, nn::Format::f16, kernels),
                        {.precision = Precision::f16});
    };
    ahead_ = load_there("");
    waiting_ = load_there("next_rows=none");
  }

  std::unique_ptr<const ModelParts> ahead_, waiting_;
};

TEST_P(CudaDeviceAhead, PassesGiveTheAnswersOfTheHost) {
  for (const int rows : {1, 3, 5}) {
    SCOPED_TRACE(rows);
    const std::vector<Coming> one = {{{picture(), "What is this?", exactly(12, beams(rows, 12))}}};
    for (int i = 0; i < 4; ++i) expect_answers_of_the_host(*ahead_, *waiting_, one, Scores::equal);
  }
  EXPECT_GT(begun_ahead(*ahead_), 0);
  EXPECT_EQ(begun_ahead(*waiting_), 0);
}

TEST_P(CudaDeviceAhead, TwoBatchesAnswerAsEachAlone) {
  for (int i = 0; i < 3; ++i) expect_two_batches_to_answer_as_each_alone(*ahead_, *waiting_);
}

INSTANTIATE_TEST_SUITE_P(Families, CudaDeviceAhead,
                         testing::Values("vicuna_old_ids", "t5_2024", "blip2_opt"),
                         [](const auto& test) { return test.param; });

TEST(PassAhead, IsNotBegunWhereOthersJoin) {
  const auto ahead = load("blip2_opt");
  (void)answers(*ahead, {{{picture(), "What is this?", exactly(9, beams(1, 9))}}});
  Batch batch(*ahead);
  const auto admit = [&] {
    batch.admit(prepare(*ahead, {picture(), "What is this?", exactly(9, beams(1, 9))}, {}));
  };
  const auto begun_by_a_round = [&] {
    const std::int64_t before = begun_ahead(*ahead);
    batch.advance();
    return begun_ahead(*ahead) - before;
  };
  admit();
  EXPECT_EQ(begun_by_a_round(), 0);  // the prompt
  EXPECT_EQ(begun_by_a_round(), 1);
  admit();
  EXPECT_EQ(begun_by_a_round(), 0);
  while (!batch.empty()) batch.advance();
}

TEST(PassAhead, IsDroppedWithAnAnswerThatIsEnded) {
  const auto ahead = load("blip2_opt");
  (void)answers(*ahead, {{{picture(), "What is this?", exactly(9, beams(1, 9))}}});
  for (const Flow flow : {Flow::stop, Flow::cancel}) {
    Batch batch(*ahead);
    int tokens = 0;
    const auto job = prepare(
        *ahead, {picture(), "What is this?", exactly(9, beams(1, 9))},
        {{.on_token = [&](const TokenEvent&) { return ++tokens == 5 ? flow : Flow::go; }}, 0});
    batch.admit(job);
    const std::int64_t in_vain = ahead->counts->passes_in_vain;
    while (!batch.empty()) batch.advance();
    EXPECT_EQ(answer_of(*job).tokens().size(), 5U);
    EXPECT_EQ(ahead->counts->passes_in_vain - in_vain, 1);
  }
}

int choose_by_an_order_of_its_own(const kernels::cuda::NextRowsProblem& problem,
                                  kernels::cuda::NextRowsBuffers buffers, void* stream,
                                  bool overlaps) {
  buffers.best_logits = buffers.max;
  return kernels::cuda::choose_next_rows(problem, buffers, stream, overlaps);
}

int fail(const kernels::cuda::NextRowsProblem& /*problem*/,
         kernels::cuda::NextRowsBuffers /*buffers*/, void* /*stream*/, bool /*overlaps*/) {
  return 1;
}

// A kernel that chooses otherwise every third time.
using Choose = decltype(&fail);

template <Choose kAtEveryThird>
struct Unreliable {
  static inline int calls = 0;

  static int choose(const kernels::cuda::NextRowsProblem& problem,
                    const kernels::cuda::NextRowsBuffers& buffers, void* stream, bool overlaps) {
    if (++calls % 3 == 0) return kAtEveryThird(problem, buffers, stream, overlaps);
    return kernels::cuda::choose_next_rows(problem, buffers, stream, overlaps);
  }
  static constexpr kernels::cuda::Kernel<kernels::cuda::NextRows> kTable[] = {
      {"unreliable",
       {},
       [](const kernels::cuda::NextRowsProblem&, const kernels::Machine&) {
         return kernels::Support::yes();
       },
       choose}};
};

template <Choose kAtEveryThird>
std::unique_ptr<const ModelParts> expect_the_same_by() {
  using Table = Unreliable<kAtEveryThird>;
  auto ahead = load("blip2_opt", [](auto& tables) { tables.next_rows = Table::kTable; });
  const auto waiting = load_waiting("blip2_opt");
  expect_answers_of_the_host(
      *ahead, *waiting,
      {{{picture(), "What is this?", exactly(14, beams(3, 14))}},
       {{picture("rocket.jpg"), "Where is it?", exactly(9, beams(3, 9))}, 3}},
      Scores::near);
  EXPECT_GT(Table::calls, 6);
  return ahead;
}

// What the device chooses is a guess, whatever it is.
TEST(PassAhead, ThatNobodyWantsIsDropped) {
  const auto model = expect_the_same_by<choose_by_an_order_of_its_own>();
  EXPECT_GT(model->counts->passes_in_vain, 2);
  EXPECT_GT(begun_ahead(*model), model->counts->passes_in_vain + 2);
}

TEST(PassAhead, ThatFailsIsNoLoss) {
  const auto model = expect_the_same_by<fail>();
  EXPECT_GT(begun_ahead(*model), 2);
}

}  // namespace
}  // namespace instructblip
