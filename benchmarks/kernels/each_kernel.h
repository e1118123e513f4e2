// Every entry of a table that this machine supports, on one thread.
#pragma once

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "kernels/queue.h"
#include "kernels/registry.h"

namespace instructblip::kernels::benchmarks {

// What a call has to read and compute.
struct Work {
  double bytes = 0;
  double flops = 0;
};

inline std::vector<float> random_numbers(std::int64_t count) {
  std::vector<float> values(static_cast<std::size_t>(count));
  std::minstd_rand random(7);
  for (float& value : values) value = static_cast<float>(random() % 65536) / 32768.0f - 1.0f;
  return values;
}

// Wrong answers are never timed: as close as another order of a long sum may leave them.
inline bool is_close(std::span<const float> got, std::span<const float> want) {
  double largest = 0, off = 0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    largest = std::max(largest, std::abs(static_cast<double>(want[i])));
    off = std::max(off, std::abs(static_cast<double>(got[i]) - want[i]));
  }
  return off <= 1e-4 * largest;  // false for NaN
}

// `run` calls the entry once, `is_right` compares what that left behind with the reference.
template <class Kernel>
struct Case {
  std::string name;
  Work work;
  std::function<void(const Kernel&)> run;
  std::function<bool()> is_right;
};

// A benchmark "operation/entry/case" for each entry that takes the problem. `make` makes the data
// when it is run.
template <class Kernel, class Problem, class Make>
void register_each(std::span<const Kernel> kernels, const Problem& problem, const std::string& name,
                   const Make& make) {
  for (const Kernel& kernel : kernels) {
    if (!kernel.supports(problem, this_machine())) continue;
    const std::string whole =
        std::string(Kernel::kOperation) + "/" + std::string(kernel.name) + "/" + name;
    ::benchmark::RegisterBenchmark(whole.c_str(),
                                   [&kernel, problem, make](::benchmark::State& state) {
                                     const Case<Kernel> data = make(problem);
                                     data.run(kernel);
                                     if (!data.is_right()) {
                                       state.SkipWithError("not what the reference computes");
                                       return;
                                     }
                                     for (auto _ : state) data.run(kernel);
                                     using ::benchmark::Counter;
                                     const auto each = Counter::kIsIterationInvariantRate;
                                     state.counters["bytes/s"] = Counter(data.work.bytes, each);
                                     if (data.work.flops > 0)
                                       state.counters["flop/s"] = Counter(data.work.flops, each);
                                   })
        ->Unit(::benchmark::kMillisecond)
        ->UseRealTime();
  }
}

void register_attention();
void register_paged_attention();
void register_kv_append();
void register_linear();
void register_log_sum_exp();
void register_norm();
void register_packed_linear();
void register_resample();

}  // namespace instructblip::kernels::benchmarks
