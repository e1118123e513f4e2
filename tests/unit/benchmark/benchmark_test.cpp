// What is measured, and that it adds up; never how long it takes.
#include "instructblip/benchmark.h"

#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <set>
#include <string>
#include <tuple>

#include "benchmark/machine_limits.h"
#include "instructblip/error.h"
#include "support/expect_error.h"
#include "unit/pipeline/toys.h"

namespace instructblip {
namespace {

using Stage = BenchmarkStage;

BenchmarkOptions quick(const std::string& name) {
  BenchmarkOptions options;
  if (!name.empty()) options.synthetic = {name};
  options.threads = {1};
  options.new_tokens = {3};
  options.repetitions = 2;
  options.read_bytes = 1 << 20;
  return options;
}

// The first one began last here, as it may with more threads than cores.
TEST(Benchmark, ThreadsTakeAsLongAsFromTheFirstBeginningToTheLastEnd) {
  using std::chrono::milliseconds;
  const std::chrono::steady_clock::time_point start{};
  const TimeAtWork times[] = {{start + milliseconds(30), start + milliseconds(40)},
                              {start + milliseconds(10), start + milliseconds(45)},
                              {start + milliseconds(20), start + milliseconds(25)}};
  EXPECT_DOUBLE_EQ(ms_of_all(times), 35);
}

TEST(Benchmark, MeasuresEveryStageAndSaysHowFarFromTheLimitItIs) {
  const BenchmarkReport report = benchmark(quick("tiny-t5"));
  ASSERT_EQ(report.rows.size(), 6u);
  EXPECT_TRUE(report.complete);
  ASSERT_EQ(report.limits.size(), 1u);
  EXPECT_GE(report.limits[0].read_gbps, report.limits[0].read_gbps_ordinary);
  EXPECT_GT(report.limits[0].peak_gflops, 0);
  const auto stages = BenchmarkOptions().stages;
  for (std::size_t i = 0; i < report.rows.size(); ++i) {
    const BenchmarkRow& row = report.rows[i];
    SCOPED_TRACE(to_string(row.stage));
    EXPECT_EQ(row.stage, stages[i]);
    EXPECT_EQ(row.model, "tiny-t5");
    EXPECT_EQ(row.layers, 0);
    EXPECT_EQ(row.weights, "f32");
    EXPECT_EQ(row.threads, 1);
    EXPECT_EQ(row.device, "cpu");
    EXPECT_EQ(row.samples, 2);
    EXPECT_GT(row.least_ms, 0);
    EXPECT_GE(row.median_ms, row.least_ms);
    EXPECT_GT(row.bytes, 0);
    EXPECT_GT(row.flops, 0);
    EXPECT_EQ(row.requests, 1);
    EXPECT_EQ(row.peak_device_bytes, 0);
    EXPECT_EQ(row.read_gbps, report.limits[0].read_gbps);
    EXPECT_EQ(row.peak_gflops, report.limits[0].peak_gflops);
    EXPECT_DOUBLE_EQ(row.fraction_of_limit, row.limit_ms / row.median_ms);
    const double reading = row.bytes / row.read_gbps / 1e6;
    const double computing = row.flops / row.peak_gflops / 1e6;
    if (row.stage == Stage::vision || row.stage == Stage::qformer || row.stage == Stage::decode) {
      EXPECT_NEAR(row.limit_ms, std::max(reading, computing), 1e-9 * row.limit_ms);
    } else {  // several passes, each by what it waits for
      EXPECT_GE(row.limit_ms, std::max(reading, computing));
      EXPECT_LE(row.limit_ms, reading + computing);
    }
  }
  EXPECT_EQ(report.limits[0].device, "cpu");
  EXPECT_EQ(report.rows[5].answer.size(), 3u);
  EXPECT_EQ(report.rows[5].answer, benchmark(quick("tiny-t5")).rows[5].answer);
  for (const std::size_t answers : {4, 5}) {
    const BenchmarkRow& row = report.rows[answers];
    const Timings& parts = row.parts;
    for (const double ms : {parts.image, parts.vision, parts.qformer, parts.prefill}) {
      EXPECT_GT(ms, 0);
      EXPECT_LT(ms, parts.total);
    }
    EXPECT_LE(parts.total, row.median_ms);
    EXPECT_GT(parts.decode, 0);
  }
  EXPECT_EQ(report.rows[0].parts.total, 0) << "nothing is answered";
  EXPECT_EQ(report.rows[4].answer, std::vector(1, report.rows[5].answer[0]));
  EXPECT_EQ(report.rows[2].prompt, 4 + 32);  // four queries, and the text that is the default
}

TEST(Benchmark, ListsMakeTheCrossProductOfWhatMattersToAStage) {
  BenchmarkOptions options = quick("tiny-llama");
  options.pictures = {1, 2};
  options.prompts = {8, 16};
  options.rows = {1, 3};
  options.requests = {1, 2};
  options.precisions = {Precision::f32, Precision::bf16};
  options.layers = {1, 2};
  options.repetitions = 1;
  std::map<Stage, int> counts;
  std::set<std::tuple<Stage, std::string, int, int, int, int>> different;
  const BenchmarkReport report = benchmark(options);
  for (const BenchmarkRow& row : report.rows) {
    ++counts[row.stage];
    different.emplace(row.stage, row.weights, row.layers, row.prompt, row.rows, row.requests);
  }
  const int models = 2 * 2;  // precisions and depths
  EXPECT_EQ(counts[Stage::vision], models * 2);
  EXPECT_EQ(counts[Stage::qformer], models * 2 * 2);
  EXPECT_EQ(counts[Stage::prefill], models * 2);
  EXPECT_EQ(counts[Stage::decode], models * 2 * 2);
  EXPECT_EQ(counts[Stage::first_token], models * 2);
  EXPECT_EQ(counts[Stage::end_to_end], models * 2 * 2 * 2);
  EXPECT_EQ(different.size(), report.rows.size());
}

// The weights once, and all else twice.
TEST(Benchmark, CountsWhatRequestsShare) {
  BenchmarkOptions options = quick("tiny-llama");
  options.stages = {Stage::end_to_end};
  options.requests = {1, 2};
  options.repetitions = 1;
  const BenchmarkReport report = benchmark(options);
  ASSERT_EQ(report.rows.size(), 2u);
  EXPECT_NEAR(report.rows[1].flops, 2 * report.rows[0].flops, 1e-6 * report.rows[0].flops);
  EXPECT_LT(report.rows[1].bytes, 1.5 * report.rows[0].bytes);
  EXPECT_EQ(report.rows[1].answer, report.rows[0].answer);
}

// Half the bytes for the same arithmetic.
TEST(Benchmark, CountsWeightsAsTheyAreHeld) {
  BenchmarkOptions options = quick("tiny-llama");
  options.stages = {Stage::vision};
  options.precisions = {Precision::f32, Precision::f16};
  const BenchmarkReport report = benchmark(options);
  ASSERT_EQ(report.rows.size(), 2u);
  EXPECT_EQ(report.rows[0].flops, report.rows[1].flops);
  EXPECT_LT(report.rows[1].bytes, 0.6 * report.rows[0].bytes);
}

// A step reads layers and head alone, each in its own bits; pictures stay at 16.
TEST(Benchmark, CountsEachPartAsItIsHeld) {
  BenchmarkOptions options = quick("tiny-llama");
  options.stages = {Stage::vision, Stage::decode};
  options.precisions = {Precision::f16, Precision::q8, Precision::q4};
  options.numerics = {Numerics::reference};
  options.repetitions = 1;
  const BenchmarkReport report = benchmark(options);
  ASSERT_EQ(report.rows.size(), 6u);
  const BenchmarkRow &f16 = report.rows[1], &q8 = report.rows[3], &q4 = report.rows[5];
  EXPECT_EQ(q8.weights, "q8");
  EXPECT_EQ(q8.numerics, "fast");
  EXPECT_EQ(f16.numerics, "reference");
  EXPECT_EQ(report.rows[2].bytes, report.rows[0].bytes);
  EXPECT_EQ(q8.flops, f16.flops);
  EXPECT_LT(q8.bytes, 0.9 * f16.bytes);
  EXPECT_LT(q4.bytes, 0.8 * q8.bytes);
  options.precisions = {Precision::q4};
  options.load.policy = "vision=q8,head=q4";
  options.load.kernels = "packed_linear=portable";
  const BenchmarkReport other = benchmark(options);
  EXPECT_LT(other.rows[0].bytes, 0.7 * report.rows[0].bytes);
  EXPECT_LT(other.rows[1].bytes, q4.bytes);
  EXPECT_EQ(q8.policy, "vision=half,qformer=half,projection=half,language=q8,head=q8");
  EXPECT_EQ(q4.policy, "vision=half,qformer=half,projection=half,language=q4,head=q8");
  EXPECT_EQ(other.rows[0].policy, "vision=q8,qformer=half,projection=half,language=q4,head=q4");
  EXPECT_EQ(f16.policy, "");
  EXPECT_EQ(q4.kernels, "");
  EXPECT_EQ(other.rows[0].kernels, options.load.kernels);
}

// What has no few bits has no policy, and runs once for each kernel.
TEST(Benchmark, CrossesPoliciesAndKernels) {
  BenchmarkOptions options = quick("tiny-t5");
  options.stages = {Stage::prefill};
  options.precisions = {Precision::f16, Precision::q8};
  options.numerics = {Numerics::fast};
  options.policies = {"", "head=half"};
  options.kernels = {"", "packed_linear=portable"};
  options.load.kernels = "no such thing";
  options.repetitions = 1;
  const std::string by_default = "vision=half,qformer=half,projection=half,language=q8,head=q8";
  const std::string half_head = "vision=half,qformer=half,projection=half,language=q8,head=half";
  std::vector<std::string> ways;
  for (const BenchmarkRow& row : benchmark(options).rows) {
    ways.push_back(row.weights + " " + row.policy + " " + row.kernels);
  }
  const std::string portable = "packed_linear=portable";
  EXPECT_EQ(ways,
            (std::vector<std::string>{"f16  ", "f16  " + portable, "q8 " + by_default + " ",
                                      "q8 " + by_default + " " + portable, "q8 " + half_head + " ",
                                      "q8 " + half_head + " " + portable}));
}

// Before a model is made.
TEST(Benchmark, RefusesAWayThatThereIsNot) {
  const auto refused = [](const char* what, const auto& set) {
    BenchmarkOptions options = quick("tiny-t5");
    options.precisions = {Precision::q8};
    options.progress = [](const std::string& done) { ADD_FAILURE() << done; };
    set(options);
    test::expect_error(ErrorCode::invalid_argument, what, [&] { (void)benchmark(options); });
  };
  refused("q9", [](BenchmarkOptions& o) { o.policies = {"head=half", "head=q9"}; });
  refused("there is no operation", [](BenchmarkOptions& o) { o.kernels = {"", "liner=avx2"}; });
  refused("which numerics fast alone would run", [](BenchmarkOptions& o) {
    o.precisions = {Precision::f32};
    o.numerics = {Numerics::fast, Numerics::reference};
    o.kernels = {"", "packed_linear=portable"};
  });
}

// Products count at the speed of the numbers that their kernel multiplies, in every stage.
TEST(Benchmark, LimitsProductsByWhatIsMultiplied) {
  BenchmarkOptions options = quick("tiny-llama");
  options.stages = {Stage::prefill, Stage::decode, Stage::first_token, Stage::end_to_end};
  options.rows = {64};  // many, so that arithmetic takes longer than reading
  options.precisions = {Precision::q8, Precision::q4};
  options.load.policy = "vision=q8,qformer=q8,projection=q8";
  options.repetitions = 1;
  const BenchmarkReport rounded = benchmark(options);
  options.load.kernels = "packed_linear=portable";
  const BenchmarkReport floats = benchmark(options);
  const BenchmarkLimits& limits = rounded.limits[0];
  if (limits.peak_gops_of_8_bits == 0) GTEST_SKIP() << "this processor multiplies float32 alone";
  ASSERT_EQ(rounded.rows.size(), 8u);
  const double most =
      std::max({limits.peak_gflops, limits.peak_gops_of_8_bits, limits.peak_gops_of_16_bits});
  for (std::size_t i = 0; i < rounded.rows.size(); ++i) {
    const BenchmarkRow &row = rounded.rows[i], &other = floats.rows[i];
    SCOPED_TRACE(row.weights + ", stage " + std::to_string(static_cast<int>(row.stage)));
    EXPECT_EQ(row.flops, other.flops);
    EXPECT_GE(other.limit_ms, 0.999999 * other.flops / (floats.limits[0].peak_gflops * 1e6));
    EXPECT_GE(row.limit_ms, row.flops / (most * 1e6));
    const double as_floats = row.flops / (limits.peak_gflops * 1e6);
    if (row.weights == "q4") {
      EXPECT_LT(row.limit_ms, as_floats);
    } else {
      EXPECT_NE(row.limit_ms, as_floats);  // 16 bits are not faster for certain
    }
  }
}

TEST(Benchmark, TakesListsOfNumericsAndLengths) {
  BenchmarkOptions options = quick("tiny-llama");
  options.stages = {Stage::decode, Stage::end_to_end};
  options.numerics = {Numerics::reference, Numerics::fast};
  options.new_tokens = {2, 5};
  options.repetitions = 1;
  const BenchmarkReport report = benchmark(options);
  ASSERT_EQ(report.rows.size(), 8u);
  std::set<std::tuple<Stage, std::string, int>> different;
  for (const BenchmarkRow& row : report.rows) {
    different.emplace(row.stage, row.numerics, row.new_tokens);
    if (row.stage == Stage::end_to_end) {
      EXPECT_EQ(std::ssize(row.answer), row.new_tokens);
    }
  }
  EXPECT_EQ(different.size(), 8u);
}

class Families : public testing::TestWithParam<const char*> {};

TEST_P(Families, RunFromACheckpointDirectory) {
  BenchmarkOptions options = quick("");
  options.models = {test::checkpoint(GetParam())};
  options.repetitions = 1;
  options.warm_up = 0;
  options.rows = {2};
  const BenchmarkReport report = benchmark(options);
  ASSERT_EQ(report.rows.size(), 6u);
  EXPECT_EQ(report.rows[0].model, GetParam());
}

INSTANTIATE_TEST_SUITE_P(All, Families,
                         testing::Values("t5_2024", "vicuna_2024", "blip2_opt", "llava_hub",
                                         "llava_next_hub"),
                         [](const auto& test) { return std::string(test.param); });

TEST(Benchmark, ThatIsStoppedHasTheRowsThatAreComplete) {
  BenchmarkOptions options = quick("tiny-t5");
  std::stop_source stop;
  options.stop = stop.get_token();
  options.stages = {Stage::vision, Stage::prefill};
  options.warm_up = 0;
  options.progress = [&](const std::string& what) {
    if (what.find("prefill") != std::string::npos) stop.request_stop();
  };
  const BenchmarkReport report = benchmark(options);
  EXPECT_FALSE(report.complete);
  // It was asked to stop while that sample was about to be taken.
  ASSERT_EQ(report.rows.size(), 2u);
  EXPECT_EQ(report.rows[1].samples, 1);
}

struct Wrong {
  const char* name;
  void (*change)(BenchmarkOptions&);
  const char* message;
};

class WrongOptions : public testing::TestWithParam<Wrong> {};

TEST_P(WrongOptions, AreRefused) {
  BenchmarkOptions options = quick("tiny-t5");
  GetParam().change(options);
  try {
    benchmark(options);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    EXPECT_NE(std::string(error.what()).find(GetParam().message), std::string::npos)
        << error.what();
  }
}

using Options = BenchmarkOptions;
INSTANTIATE_TEST_SUITE_P(
    All, WrongOptions,
    testing::Values(
        Wrong{"no_model", [](Options& o) { o.synthetic.clear(); }, "no model was given"},
        Wrong{"unknown", [](Options& o) { o.synthetic = {"tiny"}; }, "'tiny', expected one of"},
        Wrong{"no_stage", [](Options& o) { o.stages.clear(); }, "stages: expected one"},
        Wrong{"rows",
              [](Options& o) {
                o.rows = {1, 65};
              },
              "rows: expected a number in [1, 64]"},
        Wrong{"requests", [](Options& o) { o.requests = {0}; }, "requests: expected"},
        Wrong{"threads", [](Options& o) { o.threads = {-1}; }, "threads: expected"},
        Wrong{"prompt", [](Options& o) { o.prompts = {4}; }, "more than the 4 rows"},
        Wrong{"long_text", [](Options& o) { o.prompts = {600}; }, "at most 512 of text"},
        Wrong{"cut_directory",
              [](Options& o) {
                o.models = {test::checkpoint("t5_2024")};
                o.layers = {1};
              },
              "layers: a checkpoint directory is run whole"},
        Wrong{"cuda", [](Options& o) { o.load.device.type = DeviceType::cuda; }, "device"},
        Wrong{"read", [](Options& o) { o.read_bytes = 5; }, "read_bytes: expected 1 MiB"}),
    [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace instructblip
