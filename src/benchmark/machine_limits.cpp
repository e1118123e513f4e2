#include "benchmark/machine_limits.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <functional>
#include <vector>

#include "core/pages.h"
#include "core/together.h"
#include "kernels/probe.h"

namespace instructblip {
namespace {

constexpr int kTimes = 3;
constexpr std::int64_t kRounds = 4 << 20;  // multiply-adds of each lane: some ten milliseconds

// Milliseconds that all threads together take, which begin when all are there. Each looks at the
// clock itself: whoever is set aside meanwhile would begin to count too late.
double on_all_threads(int threads, const std::function<void(int)>& work) {
  std::vector<TimeAtWork> times(static_cast<std::size_t>(threads));
  run_together(threads, [&](int thread) {
    TimeAtWork& time = times[static_cast<std::size_t>(thread)];
    time.begin = std::chrono::steady_clock::now();
    work(thread);
    time.end = std::chrono::steady_clock::now();
  });
  return ms_of_all(times);
}

// Results go here, or a compiler would leave the work out.
std::atomic<std::uint64_t> sink;

void sample_reading(double& gbps, const kernels::Probe& probe, std::span<const std::byte> memory,
                    int threads) {
  const auto share = static_cast<std::int64_t>(memory.size()) / threads / kernels::kProbeBytes *
                     kernels::kProbeBytes;
  for (int i = 0; i < kTimes; ++i) {
    const double ms = on_all_threads(
        threads, [&](int thread) { sink ^= probe.read(memory.data() + thread * share, share); });
    gbps = std::max(gbps, static_cast<double>(share * threads) / (ms * 1e6));
  }
}

void sample_arithmetic(double& gflops, const kernels::Probe& probe, int threads) {
  const double operations =
      2.0 * static_cast<double>(kRounds) * static_cast<double>(probe.lanes) * threads;
  for (int i = 0; i < kTimes; ++i) {
    const double ms = on_all_threads(threads, [&](int thread) {
      sink ^= static_cast<std::uint64_t>(
          probe.multiply_add(kRounds, 1.0f, 1e-9f * static_cast<float>(thread)));
    });
    gflops = std::max(gflops, operations / (ms * 1e6));
  }
}

void sample_products(double& gops, const kernels::RoundedProbe& probe, int threads) {
  const double operations =
      2.0 * static_cast<double>(kRounds) * static_cast<double>(probe.products) * threads;
  for (int i = 0; i < kTimes; ++i) {
    const double ms = on_all_threads(threads, [&](int) {
      sink ^= static_cast<std::uint64_t>(probe.multiply_add(kRounds, 1, 0));
    });
    gops = std::max(gops, operations / (ms * 1e6));
  }
}

double& peak_of(BenchmarkLimits& limits, kernels::Number numbers) {
  switch (numbers) {
    case kernels::Number::int8:
      return limits.peak_gops_of_8_bits;
    case kernels::Number::int16:
      return limits.peak_gops_of_16_bits;
    case kernels::Number::bf16:
      return limits.peak_gflops_of_bf16;
    case kernels::Number::f32:
      break;
  }
  return limits.peak_gflops;
}

template <typename Sample>
void each_probe(const Sample& sample) {
  for (const kernels::Probe& probe : kernels::probes()) {
    if (probe.supports(kernels::this_machine())) sample(probe);
  }
}

void read_pages(PageSize size, double& gbps, BenchmarkLimits& limits, std::int64_t bytes) {
  const Pages pages(static_cast<std::size_t>(bytes), size);
  std::memset(pages.bytes().data(), 1, pages.bytes().size());
  each_probe([&](const kernels::Probe& probe) {
    sample_reading(gbps, probe, pages.bytes(), limits.threads);
  });
  if (size == PageSize::huge) limits.huge_pages = pages.huge_bytes() > bytes / 2;
}

}  // namespace

double ms_of_all(std::span<const TimeAtWork> threads) {
  const auto begin = std::ranges::min(threads, {}, &TimeAtWork::begin).begin;
  const auto end = std::ranges::max(threads, {}, &TimeAtWork::end).end;
  return std::chrono::duration<double, std::milli>(end - begin).count();
}

void sample_limits(BenchmarkLimits& limits, std::int64_t bytes, const std::stop_token& stop) {
  read_pages(PageSize::ordinary, limits.read_gbps_ordinary, limits, bytes);
  if (stop.stop_requested()) return;
  read_pages(PageSize::huge, limits.read_gbps, limits, bytes);
  // Huge pages may be nowhere to be had, and never make reading slower.
  limits.read_gbps = std::max(limits.read_gbps, limits.read_gbps_ordinary);
  if (stop.stop_requested()) return;
  each_probe([&](const kernels::Probe& probe) {
    sample_arithmetic(limits.peak_gflops, probe, limits.threads);
  });
  for (const kernels::RoundedProbe& probe : kernels::rounded_probes()) {
    if (!probe.supports(kernels::this_machine()) || stop.stop_requested()) continue;
    sample_products(peak_of(limits, probe.numbers), probe, limits.threads);
  }
}

}  // namespace instructblip
