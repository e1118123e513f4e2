// Searches that read summaries which a device's kernel makes, held against the same searches over
// whole rows.
#include "pipeline/pass_logits.h"

#include <ATen/ops/from_blob.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "nn/row_summaries.h"
#include "pipeline/batch.h"
#include "pipeline/job.h"
#include "pipeline/prepare.h"
#include "support/expect_error.h"
#include "unit/decoding/fake_session.h"
#include "unit/nn/emulated_device.h"
#include "unit/pipeline/models.h"

namespace instructblip {
namespace {

namespace cuda = kernels::cuda;
using test::picture;
using test::tokens;
using testing::FakeModel;
using testing::FakeSession;

// Logits that lie on a device: they are handed out when it is known what is asked of them.
class OnDevice final : public Logits {
 public:
  OnDevice(nn::Runtime& runtime, std::span<const float> logits, std::int64_t vocabulary,
           int* rows_asked = nullptr)
      : runtime_(runtime),
        logits_(logits.begin(), logits.end()),
        vocabulary_(vocabulary),
        rows_asked_(rows_asked) {}

  std::span<const RowSummary> summarize(const Step& step) override {
    const StepTaken steps[] = {{&step}};
    runtime_.run([&] {
      at::Tensor there = runtime_.upload(at::from_blob(
          logits_.data(), {std::ssize(logits_) / vocabulary_, vocabulary_}, nn::host(at::kFloat)));
      own_ = std::move(logits_of_steps(runtime_, there, steps).front().logits);
      there.fill_(std::numeric_limits<float>::quiet_NaN());  // the next pass
    });
    return own_->summarize(step);
  }
  std::span<const float> row(std::size_t row) override {
    if (rows_asked_ != nullptr) ++*rows_asked_;
    return own_->row(row);
  }

 private:
  nn::Runtime& runtime_;
  std::vector<float> logits_;
  std::int64_t vocabulary_;
  int* rows_asked_;
  std::unique_ptr<Logits> own_;
};

// Whole rows, and the normalisers that the device gives: their last bits may be others than the
// host's, and decide between beams.
class Judge final : public Logits {
 public:
  Judge(nn::Runtime& runtime, std::span<const float> logits, std::int64_t vocabulary, int& off)
      : device_(runtime, logits, vocabulary),
        own_(logits.begin(), logits.end()),
        host_(own_, static_cast<std::size_t>(vocabulary)),
        off_(off) {}

  std::span<const RowSummary> summarize(const Step& step) override {
    const auto there = device_.summarize(step);
    const auto here = host_.summarize(step);
    for (std::size_t r = 0; r < here.size(); ++r) {
      const LogNormalizer a = there[r].normalizer, b = here[r].normalizer;
      if (a.max != b.max || std::abs(a.log_sum - b.log_sum) > 2e-6f) ++off_;
      summaries_.push_back({a, here[r].named, here[r].best});
    }
    return summaries_;
  }
  std::span<const float> row(std::size_t row) override { return host_.row(row); }

 private:
  OnDevice device_;
  std::vector<float> own_;
  HostLogits host_;
  int& off_;
  std::vector<RowSummary> summaries_;
};

std::vector<DecodedSequence> decoded(const FakeModel& model, const DecodeRequest& request,
                                     const testing::MakeLogits& make_logits) {
  FakeSession session(model, request.prompt_ids);
  return decode(session, *make_search(request, model.vocabulary), make_logits).sequences;
}

bool equal(const std::vector<DecodedSequence>& a, const std::vector<DecodedSequence>& b) {
  return std::ranges::equal(a, b, [](const DecodedSequence& x, const DecodedSequence& y) {
    return x.tokens == y.tokens && x.score == y.score && x.logprobs == y.logprobs &&
           x.finish_reason == y.finish_reason;
  });
}

// Searches that end as over whole rows, by what they are, and what does not.
struct Counts {
  int greedy = 0, ranked = 0, tied = 0, drawn = 0, off = 0;
};

void compare(nn::Runtime& runtime, const FakeModel& model, const DecodeRequest& request,
             Counts& counts) {
  const auto judged = decoded(model, request, [&](std::span<const float> logits) {
    return std::make_unique<Judge>(runtime, logits, model.vocabulary, counts.off);
  });
  int rows_asked = 0;
  const auto found = decoded(model, request, [&](std::span<const float> logits) {
    return std::make_unique<OnDevice>(runtime, logits, model.vocabulary, &rows_asked);
  });
  if (!equal(found, judged)) {
    ++counts.off;
  } else if (*request.options.do_sample) {
    ++counts.drawn;
  } else if (*request.options.num_beams == 1) {
    ++counts.greedy;
  } else {
    ++(rows_asked == 0 ? counts.ranked : counts.tied);
  }
}

// Every so many of the golden cases of searches, with every option that edits scores, and draws.
Counts compare_searches(nn::Runtime& runtime, std::size_t every) {
  const std::vector<testing::GoldenCase> all = testing::golden_cases("search.json");
  Counts counts;
  for (std::size_t i = 0; i < all.size(); i += every) {
    DecodeRequest request = all[i].request;
    request.options.max_new_tokens = std::min(*request.options.max_new_tokens, 5);
    compare(runtime, all[i].model, request, counts);
    if (*request.options.num_beams == 1 && *request.options.no_repeat_ngram_size == 0) {
      request.options.do_sample = true;
      compare(runtime, all[i].model, request, counts);
    }
  }
  return counts;
}

TEST(PassLogits, SearchesOverSummariesEndAsOverWholeRows) {
  EmulatedRuntime runtime;
  const Counts counts = compare_searches(runtime, 11);
  EXPECT_EQ(counts.off, 0);
  for (const int cases : {counts.greedy, counts.ranked, counts.tied, counts.drawn}) {
    EXPECT_GT(cases, 0);
  }
}

// Faults that the test above is to find.
int forget_names(const cuda::RowSummaryProblem& problem, const cuda::RowSummaryBuffers& buffers,
                 void* stream, bool overlaps) {
  cuda::RowSummaryBuffers without = buffers;
  without.named_offsets = nullptr;
  return cuda::summarize_rows(problem, without, stream, overlaps);
}
int miss_the_first(const cuda::RowSummaryProblem& problem, const cuda::RowSummaryBuffers& buffers,
                   void* stream, bool overlaps) {
  cuda::RowSummaryBuffers later = buffers;
  later.logits += 1;
  const cuda::RowSummaryProblem shorter{problem.rows, problem.vocabulary - 1, problem.top};
  return cuda::summarize_rows(shorter, later, stream, overlaps);
}

TEST(PassLogits, AFaultOfTheKernelShows) {
  for (const auto fault : {forget_names, miss_the_first}) {
    const cuda::Kernel<cuda::RowSummary> faulty[] = {
        {"faulty", {}, cuda::tables().row_summary[0].supports, fault}};
    EmulatedRuntime runtime(at::kHalf, [&](cuda::Tables& tables) { tables.row_summary = faulty; });
    EXPECT_GT(compare_searches(runtime, 40).off, 0);
  }
}

TEST(PassLogits, NameTheLogitThatIsNotFinite) {
  EmulatedRuntime device;
  nn::Runtime host(2);
  std::vector<float> logits(3 * 50, 0.5f);
  logits[2 * 50 + 7] = -std::numeric_limits<float>::infinity();
  logits[1 * 50 + 9] = std::numeric_limits<float>::quiet_NaN();
  const std::int32_t rows[] = {0, 0, 0};
  for (nn::Runtime* const runtime : {&host, static_cast<nn::Runtime*>(&device)}) {
    OnDevice there(*runtime, logits, 50);
    test::expect_error(ErrorCode::bad_model,
                       "non-finite logits at step 4: expected a finite number for token 9, got NaN",
                       [&] { there.summarize({.number = 4, .sources = rows, .tokens = rows}); });
  }
}

// Rows of one pass for steps that want different things of them.
void expect_their_own(nn::Runtime& runtime) {
  const bool on_host = runtime.device() == at::kCPU && runtime.row_type() == at::kFloat;
  std::vector<float> values(6 * 40);
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<float>(i * 7919 % 241) / 16;
  }
  const std::int32_t one[] = {0}, three[] = {0, 0, 0};
  const std::vector<std::int32_t> of_second[] = {{3, 11}}, of_third[] = {{}, {39}, {0, 1, 2}};
  const Step steps[] = {
      {.sources = one, .tokens = one, .top = 2},
      {.sources = one, .tokens = one, .named = of_second, .top = 1},
      {.sources = one, .tokens = one, .whole_rows = true},
      {.sources = three, .tokens = three, .named = of_third, .top = 5, .rows_of_equals = true}};
  const StepTaken taken[] = {{&steps[0]}, {&steps[1], true}, {&steps[2]}, {&steps[3]}};
  const auto logits = runtime.run([&] {
    const at::Tensor here = at::from_blob(values.data(), {6, 40}, nn::host(at::kFloat));
    return logits_of_steps(runtime, runtime.upload(here), taken);
  });
  std::size_t first = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    const std::span<const float> own(values.data() + first * 40, steps[i].rows() * 40);
    EXPECT_EQ(logits[i].rows.defined(), on_host || i == 1 || i == 2);
    HostLogits judge(own, 40);
    const auto got = logits[i].logits->summarize(steps[i]), want = judge.summarize(steps[i]);
    ASSERT_EQ(got.size(), want.size());
    for (std::size_t r = 0; r < got.size(); ++r) {
      EXPECT_TRUE(std::ranges::equal(got[r].named, want[r].named)) << i;
      EXPECT_TRUE(std::ranges::equal(got[r].best, want[r].best, [](auto& a, auto& b) {
        return a.value == b.value && a.index == b.index;
      })) << i;
      if (on_host) {
        EXPECT_EQ(got[r].normalizer.max, want[r].normalizer.max) << i;
        EXPECT_EQ(got[r].normalizer.log_sum, want[r].normalizer.log_sum) << i;
      }
      if (i == 0) continue;  // which reads no rows
      EXPECT_TRUE(std::ranges::equal(logits[i].logits->row(r), own.subspan(r * 40, 40))) << i;
    }
    first += steps[i].rows();
  }
}

TEST(PassLogits, StepsOfAPassGetTheirOwn) {
  EmulatedRuntime device;
  nn::Runtime host(2);
  expect_their_own(device);
  expect_their_own(host);
}

// Requests of every kind in one batch, greedy, with beams, with all that edits scores, drawn: as
// where the host reads whole rows.
class PassLogitsOf : public ::testing::TestWithParam<std::string> {};

struct Answers {
  std::vector<std::vector<std::int32_t>> ids;
  std::vector<double> scores;
};

Answers answers(const ModelParts& model) {
  GenerationConfig greedy = tokens(5);
  greedy.num_beams = 1;
  GenerationConfig penalized = greedy;
  penalized.repetition_penalty = 1.5;
  penalized.suppress_tokens = {5, 6, 7};
  GenerationConfig beams;
  beams.num_beams = 3;
  beams.max_new_tokens = 5;
  beams.min_new_tokens = 3;
  GenerationConfig edited = beams;
  edited.num_beams = 2;
  edited.no_repeat_ngram_size = 2;
  edited.repetition_penalty = 1.2;
  edited.num_return_sequences = 2;
  GenerationConfig drawn = greedy;
  drawn.do_sample = true;
  drawn.seed = 3;
  Batch batch(model);
  std::vector<std::shared_ptr<Job>> jobs;
  for (const auto& options : {greedy, penalized, beams, edited, drawn}) {
    jobs.push_back(prepare(model, {picture(), "What is this?", options}, {{}, jobs.size()}));
    batch.admit(jobs.back());
  }
  while (!batch.empty()) batch.advance();
  Answers answers;
  for (const auto& job : jobs) {
    for (const Sequence& sequence : answer_of(*job).sequences) {
      answers.ids.push_back(sequence.tokens);
      answers.scores.push_back(sequence.score);
    }
  }
  return answers;
}

TEST_P(PassLogitsOf, AFamilyGivesTheAnswersOfWholeRows) {
  const auto load = [](std::unique_ptr<nn::Runtime> device) {
    return test::load(test::checkpoint(GetParam()), std::move(device),
                      {.precision = Precision::f16});
  };
  const auto summarised = load(std::make_unique<EmulatedRuntime>());
  const auto whole = load(std::make_unique<EmulatedRuntime>(
      at::kHalf, [](cuda::Tables& tables) { tables.row_summary = {}; }));
  const Answers a = answers(*summarised), b = answers(*whole);
  EXPECT_EQ(a.ids, b.ids);
  for (std::size_t i = 0; i < a.scores.size(); ++i) EXPECT_NEAR(a.scores[i], b.scores[i], 1e-4);
}

// What comes to the host of a step is a few numbers.
TEST_P(PassLogitsOf, StepsCopyLittle) {
  const auto model = test::load(test::checkpoint(GetParam()), std::make_unique<EmulatedRuntime>(),
                                {.precision = Precision::f16});
  GenerationConfig beams;
  beams.max_new_tokens = 6;
  beams.num_beams = 2;
  const auto job = prepare(*model, {picture(), "What is this?", beams}, {});
  Batch batch(*model);
  batch.admit(job);
  batch.advance();  // the prompt
  largest_copy_to_host();
  while (!batch.empty()) batch.advance();
  answer_of(*job);
  const std::int64_t copied = largest_copy_to_host();
  EXPECT_GT(copied, 0);
  EXPECT_LT(copied, 300);  // a row is longer
}

INSTANTIATE_TEST_SUITE_P(Families, PassLogitsOf,
                         ::testing::Values("t5_2024", "vicuna_gqa", "vicuna_dynamic",
                                           "video_vicuna", "blip2_opt", "blip2_t5", "llava_hub"),
                         [](const auto& test) { return test.param; });

}  // namespace
}  // namespace instructblip
