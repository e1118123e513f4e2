#include "device_timer.h"

#include <ATen/Context.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <optional>

#include "benchmark/device_limits.h"
#include "core/stopwatch.h"

namespace instructblip::benchmarks {
namespace {

constexpr int kCalls = 100;  // in a graph, at least
constexpr int kTimes = 9;

std::string headline(const std::exception& error) {
  const auto* const torch = dynamic_cast<const c10::Error*>(&error);
  const std::string what = torch != nullptr ? torch->what_without_backtrace() : error.what();
  return what.substr(0, std::min<std::size_t>(what.find('\n'), 160));
}

void choose_torch(const std::string& name) {
  at::Context& context = at::globalContext();
  context.setSDPUseFlash(name == "flash");
  context.setSDPUseMemEfficient(name == "efficient");
  context.setSDPUseCuDNN(name == "cudnn");
  context.setSDPUseMath(name == "math");
}

std::string member(const Measured& measured) {
  std::string value = "null";
  if (measured.refused.empty()) {
    char text[32];
    std::snprintf(text, sizeof(text), "%.3f", measured.us);
    value = text;
  }
  return ", \"" + measured.name + "\": " + value;
}

}  // namespace

Measured DeviceTimer::time(const std::string& name, const Work& work) {
  return time(name, std::vector<Work>{work});
}

Measured DeviceTimer::time(const std::string& name, const std::vector<Work>& works) {
  const auto count = static_cast<int>(works.size());
  const int rounds = std::max(1, kCalls / count);
  const nn::StepKey key = {++graphs_};
  const auto replay = [&] {
    wait_for(runtime_.replay(key, [&] {
      at::Tensor last;
      for (int i = 0; i < rounds; ++i) {
        for (const Work& work : works) last = work();
      }
      return last;
    }));
  };
  try {
    for (int i = 0; i < 4; ++i) replay();  // runs, is recorded, and is launched twice
    std::vector<double> ms;
    for (int i = 0; i < kTimes; ++i) {
      Stopwatch watch;
      replay();
      ms.push_back(watch.lap_ms());
    }
    std::ranges::sort(ms);
    return {name, ms[kTimes / 2] * 1e3 / (rounds * count), {}};
  } catch (const std::exception& error) {
    return {name, 0, headline(error)};
  }
}

std::vector<Measured> DeviceTimer::time_torch(const Heads& heads) {
  const std::optional<at::Tensor> mask =
      heads.mask.defined() ? std::optional(heads.mask) : std::nullopt;
  const std::optional<double> scale = heads.divided ? std::nullopt : std::optional(1.0);
  std::vector<Measured> all;
  for (const char* name : {"flash", "efficient", "cudnn"}) {
    choose_torch(name);
    all.push_back(time(name, [&] {
      return at::scaled_dot_product_attention(heads.queries, heads.keys, heads.values, mask,
                                              /*dropout_p=*/0.0, heads.causal, scale);
    }));
  }
  return all;
}

at::Tensor DeviceTimer::noise(at::IntArrayRef size) const {
  return runtime_.upload_rows(at::randn(size, nn::host(at::kFloat)));
}

void print(const std::string& what, const Measured& ours, const std::vector<Measured>& others) {
  std::string line = "{\"what\": \"" + what + "\"" + member(ours);
  double best = 0;
  std::string refused = ours.refused;
  for (const Measured& other : others) {
    line += member(other);
    if (refused.empty()) refused = other.refused;
    if (other.refused.empty()) best = best > 0 ? std::min(best, other.us) : other.us;
  }
  if (best > 0 && ours.us > 0) line += ", \"best_over_ours\": " + std::to_string(best / ours.us);
  std::printf("%s}\n", line.c_str());
  std::fflush(stdout);
  if (!refused.empty()) std::fprintf(stderr, "%s: %s\n", what.c_str(), refused.c_str());
}

}  // namespace instructblip::benchmarks
