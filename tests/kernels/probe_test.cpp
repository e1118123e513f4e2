// The loops that limits are measured with have to do what they are timed for.
#include "kernels/probe.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <ostream>
#include <vector>

#include "kernels/numbers.h"
#include "kernels/packed_linear.h"

namespace instructblip::kernels {

void PrintTo(const Probe& probe, std::ostream* out) { *out << probe.name; }
void PrintTo(const RoundedProbe& probe, std::ostream* out) { *out << probe.name; }

namespace {

class ProbeTest : public testing::TestWithParam<Probe> {
 protected:
  void SetUp() override {
    const Support support = GetParam().supports(this_machine());
    if (!support) GTEST_SKIP() << support.reason();
  }
};

// Every word counts, so none is left out; a float's bits are as good as any.
TEST_P(ProbeTest, ReadsEveryWord) {
  std::vector<float> data = numbers(4 * kProbeBytes / 4, 11);
  const auto expected = [&] {
    std::uint64_t all = 0;
    for (std::size_t at = 0; at < data.size(); at += 2) {
      std::uint64_t word;
      std::memcpy(&word, &data[at], sizeof(word));
      all ^= word;
    }
    return all;
  };
  EXPECT_EQ(GetParam().read(data.data(), 4 * kProbeBytes), expected());
  for (float& value : data) {
    value += 1.0f;
    EXPECT_EQ(GetParam().read(data.data(), 4 * kProbeBytes), expected());
  }
  EXPECT_EQ(GetParam().read(data.data(), 0), 0u);
}

// Each lane gains `step` a round, and small whole numbers add up without rounding.
TEST_P(ProbeTest, MultipliesAndAddsOnAsManyLanesAsItSays) {
  const float before = GetParam().multiply_add(0, 1.0f, 2.0f);
  const float after = GetParam().multiply_add(1000, 1.0f, 2.0f);
  EXPECT_EQ(after - before, static_cast<float>(1000 * 2 * GetParam().lanes));
  EXPECT_EQ(GetParam().multiply_add(1, 0.0f, 3.0f), static_cast<float>(3 * GetParam().lanes));
}

class RoundedProbeTest : public testing::TestWithParam<RoundedProbe> {
 protected:
  void SetUp() override {
    const Support support = GetParam().supports(this_machine());
    if (!support) GTEST_SKIP() << support.reason();
  }
};

TEST_P(RoundedProbeTest, MultipliesAndAddsAsManySumsAsItSays) {
  const auto run = GetParam().multiply_add;
  EXPECT_EQ(run(50, 1, 2) - run(0, 1, 2), 50 * 2 * GetParam().sums);
  EXPECT_EQ(run(7, 1, 3) - run(6, 1, 3), 3 * GetParam().sums);
  EXPECT_EQ(GetParam().products % GetParam().sums, 0);
}

// What a kernel says that it multiplies limits a benchmark, wherever the kernel runs.
TEST(RoundedProbes, MeasureWhatKernelsMultiply) {
  for (const Machine& machine : {Machine(), this_machine()}) {
    for (const PackedLinearKernel& kernel : packed_linear_kernels()) {
      for (const Format format : {Format::bf16, Format::w8, Format::w4}) {
        const Number numbers = kernel.multiplied.with(format);
        if (!kernel.supports({.weights = format, .may_round = true}, machine)) continue;
        EXPECT_TRUE(numbers == Number::f32 || std::ranges::any_of(rounded_probes(),
                                                                  [&](const RoundedProbe& probe) {
                                                                    return probe.numbers ==
                                                                               numbers &&
                                                                           probe.supports(machine);
                                                                  }))
            << kernel.name << ", format " << static_cast<int>(format);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, RoundedProbeTest,
                         testing::ValuesIn(rounded_probes().begin(), rounded_probes().end()),
                         [](const auto& test) {
                           std::string name(test.param.name);
                           std::ranges::replace_if(
                               name, [](char c) { return c == ' ' || c == ','; }, '_');
                           return name;
                         });
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(RoundedProbeTest);

INSTANTIATE_TEST_SUITE_P(All, ProbeTest, testing::ValuesIn(probes().begin(), probes().end()),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace instructblip::kernels
