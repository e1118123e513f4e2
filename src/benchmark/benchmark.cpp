#include <algorithm>
#include <fstream>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "benchmark/cells.h"
#include "benchmark/device_limits.h"
#include "benchmark/machine_limits.h"
#include "benchmark/run_benchmark.h"
#include "benchmark/subject.h"
#include "core/boundary.h"
#include "core/errors.h"
#include "core/processors.h"
#include "core/stopwatch.h"
#include "kernels/packed_linear.h"
#include "loading/loading.h"
#include "loading/weight_policy.h"
#include "nn/device.h"

namespace instructblip {
namespace {

[[noreturn]] void refuse(const std::string& message, const std::string& hint = {}) {
  throw Error(ErrorCode::invalid_argument, message, hint);
}

void check_each(const std::vector<int>& values, const std::string& what, int least, int most) {
  if (values.empty()) refuse(what + ": expected a number at least");
  for (const int value : values) {
    if (value >= least && value <= most) continue;
    refuse(what + ": expected a number in [" + std::to_string(least) + ", " + std::to_string(most) +
           "], got " + std::to_string(value));
  }
}

void check(const BenchmarkOptions& options) {
  if (options.models.empty() && options.synthetic.empty()) {
    refuse("no model was given, expected a directory or the name of a published model");
  }
  if (options.stages.empty()) refuse("stages: expected one at least");
  if (options.precisions.empty()) refuse("precisions: expected one at least");
  constexpr int kMany = 4096;
  check_each(options.layers, "layers", 0, kMany);
  check_each(options.threads, "threads", 0, 1024);
  check_each(options.pictures, "pictures", 1, kMany);
  check_each(options.prompts, "prompt", 0, 32768);
  check_each(options.rows, "rows", 1, 64);
  check_each(options.requests, "requests", 1, kMany);
  check_each(options.new_tokens, "new_tokens", 1, kMany);
  check_each({options.warm_up}, "warm_up", 0, kMany);
  check_each({options.repetitions}, "repetitions", 1, 1'000'000);
  if (!(options.seconds >= 0 && options.seconds <= 1e6)) {
    refuse("seconds: expected a number in [0, 1000000]");
  }
  const bool cuts = std::ranges::any_of(options.layers, [](int layers) { return layers > 0; });
  if (cuts && !options.models.empty()) {
    refuse("layers: a checkpoint directory is run whole, expected none",
           "name a synthetic model instead");
  }
  constexpr std::int64_t kLeastRead = 1 << 20;
  if (options.read_bytes < kLeastRead) {
    refuse("read_bytes: expected 1 MiB at least, got " + std::to_string(options.read_bytes));
  }
}

// The most memory of this process from begin() to end(), or of several such times.
class PeakMemory {
 public:
  // Linux, proc(5): 5 resets the peak of the resident set.
  void begin() {
    std::ofstream file("/proc/self/clear_refs");
    known_ = known_ && file << '5' << std::flush;
  }
  void end() {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);) {
      constexpr std::string_view kKey = "VmHWM:";
      if (!line.starts_with(kKey)) continue;
      most_ = std::max<std::int64_t>(most_, std::stoll(line.substr(kKey.size())) * 1024);
    }
  }
  // 0 where it could not be reset.
  std::int64_t bytes() const { return known_ ? most_ : 0; }

 private:
  bool known_ = true;
  std::int64_t most_ = 0;
};

// Null: the processor, whose memory is the process's.
nn::DeviceRuntime* device_of(const ModelParts& model) {
  return dynamic_cast<nn::DeviceRuntime*>(model.runtime.get());
}

constexpr std::pair<nn::Module, double costs::Elements::*> kParts[] = {
    {nn::Module::vision, &costs::Elements::vision},
    {nn::Module::qformer, &costs::Elements::qformer},
    {nn::Module::projection, &costs::Elements::projection},
    {nn::Module::language, &costs::Elements::language},
    {nn::Module::head, &costs::Elements::head}};

template <typename T>
std::vector<T> some_or(const std::vector<T>& some, const T& otherwise) {
  return some.empty() ? std::vector<T>{otherwise} : some;
}

bool is_quantised(Precision precision) {
  return precision == Precision::q8 || precision == Precision::q4;
}

// The modules that are multiplied with, and what of a cost belongs to each.
std::vector<std::pair<const ModuleInfo*, double costs::Elements::*>> parts_of(
    const ModelInfo& info) {
  std::vector<std::pair<const ModuleInfo*, double costs::Elements::*>> parts;
  for (const ModuleInfo& module : info.modules) {
    for (const auto& [named, part] : kParts) {
      if (module.name == name_of(named)) parts.emplace_back(&module, part);
    }
  }
  return parts;
}

// Bytes of an element of the matrices of each part of a model.
costs::Elements bytes_of_elements(const ModelInfo& info) {
  costs::Elements bytes;
  for (const auto& [module, part] : parts_of(info)) {
    bytes.*part = static_cast<double>(module->bytes) / static_cast<double>(module->parameters);
  }
  return bytes;
}

// The format of this name in ModuleInfo::precision.
nn::Format format_named(std::string_view name) {
  using enum nn::Format;
  constexpr nn::Format kFormats[] = {f32, f16, bf16, w8, w4};
  const auto* const found =
      std::ranges::find(kFormats, name, [](nn::Format format) { return name_of(format); });
  return found == std::end(kFormats) ? f32 : *found;
}

// What the processor multiplies with weights in this format.
kernels::Number multiplied(const nn::Runtime& runtime, nn::Format format) {
  const auto& kernels = runtime.tables().packed_linear;
  const kernels::PackedLinearProblem many_rows{.rows = 64,
                                               .inputs = 4096,
                                               .outputs = 4096,
                                               .weights = format,
                                               .may_round = runtime.rounds_rows()};
  if (kernels.empty() || !runtime.has_kernel(kernels, many_rows)) return kernels::Number::f32;
  return runtime.kernel(kernels, many_rows).multiplied.with(format);
}

void count_products(costs::Pass& pass, const costs::Cost& cost, const ModelParts& model) {
  if (model.runtime->numerics() != Numerics::fast) return;
  for (const auto& [module, part] : parts_of(model.info)) {
    const double operations = cost.products.*part;
    switch (multiplied(*model.runtime, format_named(module->precision))) {
      case kernels::Number::int8:
        pass.flops_of_8_bits += operations;
        break;
      case kernels::Number::int16:
        pass.flops_of_16_bits += operations;
        break;
      case kernels::Number::bf16:
        pass.flops_of_bf16 += operations;
        break;
      case kernels::Number::f32:
        break;
    }
  }
}

class Benchmark {
 public:
  explicit Benchmark(const BenchmarkOptions& options) : options_(options) {}

  BenchmarkReport run() {
    check(options_);
    ways_ = ways();
    for (const auto& directory : options_.models) {
      Subject subject = Subject::of_directory(directory);
      run(subject);
    }
    for (const std::string& name : options_.synthetic) {
      for (const int layers : options_.layers) {
        Subject subject = Subject::synthetic(name, layers);
        run(subject);
      }
    }
    for (Measured& one : measured_) {
      compare_with_limit(one.row, one.passes);  // when the limits have all their samples
      report_.rows.push_back(std::move(one.row));
    }
    return std::move(report_);
  }

 private:
  struct Measured {
    BenchmarkRow row;
    std::vector<costs::Pass> passes;
  };

  bool stopped() const { return options_.stop.stop_requested(); }

  void tell(const std::string& what) const {
    if (options_.progress) call_back([&] { options_.progress(what); });
  }

  // A policy is for the precisions that have one, where there are such.
  std::vector<std::string> policies_of(Precision precision) const {
    const bool for_others = std::ranges::any_of(options_.precisions, is_quantised);
    if (for_others && !is_quantised(precision)) return {{}};
    return some_or(options_.policies, options_.load.policy);
  }

  // The models that the lists make of one subject, in the order in which they are run.
  std::vector<LoadOptions> ways() const {
    std::vector<LoadOptions> ways;
    for (const Numerics numerics : some_or(options_.numerics, options_.load.numerics)) {
      for (const Precision precision : options_.precisions) {
        for (const std::string& policy : policies_of(precision)) {
          for (const std::string& kernels : some_or(options_.kernels, options_.load.kernels)) {
            for (const int threads : options_.threads) {
              LoadOptions& load = ways.emplace_back(options_.load);
              load.numerics = numerics;
              load.precision = precision;
              load.policy = policy;
              load.kernels = kernels;
              load.threads = threads > 0 ? threads : usable_cores();
              load.cache_bytes = 0;  // or a picture is encoded once
              check_options(load);
              check_kernels(load);
            }
          }
        }
      }
    }
    return ways;
  }

  void run(Subject& subject) {
    for (const LoadOptions& load : ways_) {
      if (stopped()) {
        report_.complete = false;
        return;
      }
      run(subject, load);
    }
  }

  void run(Subject& subject, const LoadOptions& load) {
    tell("loading " + subject.name());
    PeakMemory memory;
    memory.begin();
    const ModelParts model = subject.load(load, options_.stop);
    memory.end();  // what is read to find the machine's limit is not the model's
    if (stopped()) {
      report_.complete = false;
      return;
    }
    sample_limits(model);
    memory.begin();
    std::vector<Cell> cells = cells_of(model, subject.config(), options_);
    for (Cell& cell : cells) describe(cell, subject, model, load);
    sample(cells, warm_up_of(model), subject.name());
    memory.end();
    nn::DeviceRuntime* const device = device_of(model);
    for (Cell& cell : cells) {
      if (cell.ms.empty()) continue;
      summarise(cell);
      cell.row.peak_rss_bytes = memory.bytes();
      if (device != nullptr) cell.row.peak_device_bytes = device->peak_memory();
      measured_.push_back({std::move(cell.row), std::move(cell.passes)});
    }
    if (!stopped()) sample_limits(model);
  }

  // A device computes with the type that weights have; the limits of a processor name all its
  // types.
  BenchmarkLimits& limits(int threads, const std::string& device, const std::string& weights) {
    BenchmarkLimits key{.threads = threads, .device = device};
    if (device != "cpu") key.weights = weights;
    const auto found = std::ranges::find_if(report_.limits, [&](const BenchmarkLimits& limits) {
      return std::tie(limits.threads, limits.device, limits.weights) ==
             std::tie(key.threads, key.device, key.weights);
    });
    return found != report_.limits.end() ? *found : report_.limits.emplace_back(std::move(key));
  }

  void sample_limits(const ModelParts& model) {
    const ModelInfo& info = model.info;
    tell("measuring the machine, " + info.device + ", threads: " + std::to_string(info.threads));
    BenchmarkLimits& best = limits(info.threads, info.device, info.precision);
    if (nn::DeviceRuntime* const device = device_of(model)) {
      sample_device_limits(best, *device, options_.read_bytes);
    } else {
      instructblip::sample_limits(best, options_.read_bytes, options_.stop);
    }
  }

  int warm_up_of(const ModelParts& model) const {
    constexpr int kRunAndRecorded = 2;
    return model.runtime->replays() ? std::max(options_.warm_up, kRunAndRecorded)
                                    : options_.warm_up;
  }

  static void describe(Cell& cell, const Subject& subject, const ModelParts& model,
                       const LoadOptions& load) {
    const ModelInfo& info = model.info;
    BenchmarkRow& row = cell.row;
    row.model = subject.name();
    row.layers = subject.layers();
    row.weights = info.precision;
    row.numerics = to_string(info.numerics);
    row.threads = info.threads;
    row.device = info.device;
    row.policy = info.policy;
    row.kernels = load.kernels;
    row.pin = load.pin;
    row.weight_bytes = info.weight_bytes;
    const auto cached = static_cast<double>(at::elementSize(model.runtime->row_type()));
    const costs::ElementBytes held{.weights = bytes_of_elements(info), .cached = cached};
    for (const costs::Cost& cost : cell.costs) {
      costs::Pass& pass = cell.passes.emplace_back(costs::bytes_of(cost, held), cost.flops);
      count_products(pass, cost, model);
      row.bytes += pass.bytes;
      row.flops += pass.flops;
    }
  }

  bool is_due(const Cell& cell, int round) const {
    double sum = 0;
    for (const double ms : cell.ms) sum += ms;
    return round < options_.repetitions || sum < options_.seconds * 1000;
  }

  // Every cell in turn, so that noise meets all of them.
  void sample(std::vector<Cell>& cells, int warm_up, const std::string& name) {
    for (int round = -warm_up;; ++round) {
      bool any = false;
      for (Cell& cell : cells) {
        if (!is_due(cell, round)) continue;
        if (stopped()) {
          report_.complete = false;
          return;
        }
        tell(name + ": " + std::string(to_string(cell.row.stage)) +
             (round < 0 ? ", warming up" : ", sample " + std::to_string(round + 1)));
        const double ms = cell.sample();
        if (round >= 0) cell.ms.push_back(ms);
        any = true;
      }
      if (!any) return;
    }
  }

  void compare_with_limit(BenchmarkRow& row, std::span<const costs::Pass> passes) {
    const BenchmarkLimits& machine = limits(row.threads, row.device, row.weights);
    row.read_gbps = machine.read_gbps;
    row.peak_gflops = machine.peak_gflops;
    const costs::Limit limit =
        costs::limit_of(passes, {.read_gbps = machine.read_gbps,
                                 .peak_gflops = machine.peak_gflops,
                                 .peak_gops_of_8_bits = machine.peak_gops_of_8_bits,
                                 .peak_gops_of_16_bits = machine.peak_gops_of_16_bits,
                                 .peak_gflops_of_bf16 = machine.peak_gflops_of_bf16});
    row.limit_ms = limit.ms;
    row.limited_by_reading = limit.by_reading;
    row.fraction_of_limit = limit.ms / row.median_ms;
  }

  const BenchmarkOptions& options_;
  BenchmarkReport report_;
  std::vector<LoadOptions> ways_;
  std::vector<Measured> measured_;
};

}  // namespace

BenchmarkReport run_benchmark(const BenchmarkOptions& options) {
  return at_boundary([&] { return Benchmark(options).run(); });
}

}  // namespace instructblip
