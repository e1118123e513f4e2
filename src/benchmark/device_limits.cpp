#include "benchmark/device_limits.h"

#include <ATen/ops/mm.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>

#include "core/stopwatch.h"

namespace instructblip {
namespace {

constexpr int kAttempts = 5;
constexpr int kAtOnce = 10;  // handed over before anybody waits, so that waiting does not count
constexpr std::int64_t kWidest = 8192, kWhole = 64;

// Milliseconds of one call of `work`, the best of several attempts.
template <typename Work>
double best_ms(const Work& work) {
  wait_for(work());
  double best = 0;
  for (int i = 0; i < kAttempts; ++i) {
    Stopwatch watch;
    for (int j = 1; j < kAtOnce; ++j) work();
    wait_for(work());
    const double ms = watch.lap_ms() / kAtOnce;
    best = i == 0 ? ms : std::min(best, ms);
  }
  return best;
}

double copied_gbps(const nn::Runtime& runtime, std::int64_t bytes) {
  const at::Tensor from = at::zeros({bytes}, runtime.options(at::kByte));
  const at::Tensor to = runtime.empty({bytes}, at::kByte);
  return 2.0 * static_cast<double>(bytes) / (best_ms([&] { return to.copy_(from); }) * 1e6);
}

double multiplied_gflops(const nn::Runtime& runtime, std::int64_t bytes) {
  const auto element = static_cast<double>(at::elementSize(runtime.row_type()));
  const auto fit = static_cast<std::int64_t>(std::sqrt(static_cast<double>(bytes) / 3 / element));
  const std::int64_t width = std::clamp(fit / kWhole * kWhole, kWhole, kWidest);
  // Equal numbers would be multiplied faster: they take less power.
  const auto noise = [&] {
    const at::Tensor numbers = at::randn({2, width}, nn::host(at::kFloat));
    return at::mul(runtime.upload_rows(numbers[0].unsqueeze(1)), runtime.upload_rows(numbers[1]));
  };
  const at::Tensor a = noise(), b = noise();
  at::Tensor product = at::zeros({width, width}, runtime.options(runtime.row_type()));
  const double ms = best_ms([&] { return at::mm_out(product, a, b); });
  return 2.0 * std::pow(static_cast<double>(width), 3) / (ms * 1e6);
}

}  // namespace

void wait_for(const at::Tensor& made) { made.as_strided({1}, {1}).to(at::kCPU); }

void sample_device_limits(BenchmarkLimits& limits, nn::Runtime& runtime, std::int64_t bytes) {
  runtime.run([&] {
    limits.read_gbps = std::max(limits.read_gbps, copied_gbps(runtime, bytes));
    limits.peak_gflops = std::max(limits.peak_gflops, multiplied_gflops(runtime, bytes));
  });
}

}  // namespace instructblip
