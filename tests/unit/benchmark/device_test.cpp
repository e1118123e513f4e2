// Rows of a device: what is timed there, and its limits.
#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <vector>

#include "benchmark/cells.h"
#include "benchmark/device_limits.h"
#include "config/model_config.h"
#include "unit/nn/stand_in_device.h"
#include "unit/pipeline/models.h"

namespace instructblip {
namespace {

BenchmarkOptions quick() {
  BenchmarkOptions options;
  options.pictures = {1, 2};
  options.rows = {1, 3};
  options.requests = {1, 2};
  options.new_tokens = {3};
  return options;
}

std::vector<Cell> sampled(const ModelParts& model, const ModelConfig& config) {
  std::vector<Cell> cells = cells_of(model, config, quick());
  for (Cell& cell : cells) {
    cell.ms = {cell.sample(), cell.sample(), cell.sample()};
    summarise(cell);
  }
  return cells;
}

// With the processor's answers, from steps that were recorded.
TEST(BenchmarkOfADevice, TimesEveryStage) {
  const ModelConfig config = read_model_config(test::checkpoint("t5_2024"));
  const std::vector<Cell> here = sampled(*test::load("t5_2024"), config);
  const std::int64_t launched = records_launched_by_stand_in();
  const std::vector<Cell> there =
      sampled(*test::load("t5_2024", std::make_unique<StandInRuntime>()), config);
  EXPECT_GT(records_launched_by_stand_in(), launched);
  ASSERT_EQ(there.size(), here.size());
  for (std::size_t i = 0; i < there.size(); ++i) {
    SCOPED_TRACE(to_string(there[i].row.stage));
    EXPECT_GT(there[i].row.least_ms, 0);
    EXPECT_EQ(there[i].row.answer, here[i].row.answer);
  }
}

// The host may read what the device has made only when it is done.
TEST(BenchmarkOfADevice, WaitsForIt) {
  StandInRuntime runtime;
  const std::int64_t before = operations_of_stand_in();
  runtime.run([&] { wait_for(runtime.empty({3, 4}, at::kHalf).transpose(0, 1)); });
  EXPECT_GT(operations_of_stand_in(), before);
}

TEST(BenchmarkOfADevice, MeasuresItsLimitsWhereItIs) {
  StandInRuntime runtime;
  BenchmarkLimits limits;
  sample_device_limits(limits, runtime, 1 << 20);
  EXPECT_GT(limits.read_gbps, 0);
  EXPECT_GT(limits.peak_gflops, 0);
  BenchmarkLimits better = limits;
  better.read_gbps *= 1e6;
  const double best = better.read_gbps;
  sample_device_limits(better, runtime, 1 << 20);
  EXPECT_EQ(better.read_gbps, best);
}

}  // namespace
}  // namespace instructblip
