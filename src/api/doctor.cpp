#include "instructblip/doctor.h"

#include <filesystem>
#include <fstream>
#include <string_view>
#include <system_error>
#include <utility>

#include "core/boundary.h"
#include "core/cuda_driver.h"
#include "core/module.h"
#include "core/processors.h"
#include "instructblip/version.h"
#include "kernels/catalogue.h"

namespace instructblip {
namespace {

std::string processor_name() {
  std::ifstream stream("/proc/cpuinfo");
  for (std::string line; std::getline(stream, line);) {
    const std::size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown";
}

std::vector<std::string> instruction_sets(const kernels::Machine& machine) {
  const std::pair<std::string_view, bool> all[] = {
      {"AVX2", machine.avx2},
      {"FMA", machine.fma},
      {"F16C", machine.f16c},
      {"AVX-512", machine.avx512f},
      {"AVX-512 BW", machine.avx512bw},
      {"AVX-512 VL", machine.avx512vl},
      {"AVX-512 VNNI", machine.avx512vnni},
      {"AVX-VNNI", machine.avxvnni},
      {"AVX-512 BF16", machine.avx512bf16},
      {"AMX", machine.amx_tile},
      {"AMX INT8", machine.amx_int8},
      {"AMX BF16", machine.amx_bf16},
  };
  std::vector<std::string> names;
  for (const auto& [name, present] : all) {
    if (present) names.emplace_back(name);
  }
  return names;
}

ModuleReport module_report(const char* file, const char* purpose) {
  const std::string place = module_place(file);
  std::error_code none;
  return {place, purpose, std::filesystem::exists(place, none)};
}

// As LoadOptions::precision calls them.
std::vector<std::string> names_of(const std::vector<kernels::UsedFor>& uses) {
  constexpr const char* kNames[] = {"f32", "f16", "bf16", "q8", "q4"};
  std::vector<std::string> names;
  names.reserve(uses.size());
  for (const auto& [weights, may_round] : uses) {
    const std::string name = kNames[static_cast<int>(weights)];
    names.push_back(may_round ? name + " times " + name : name);
  }
  return names;
}

std::vector<OperationReport> operations(const kernels::Choice& choice,
                                        const kernels::Machine& machine) {
  std::vector<OperationReport> reports;
  for (const kernels::Operation& operation : kernels::catalogue(choice, machine)) {
    OperationReport report{
        std::string(operation.name), std::string(operation.purpose), operation.forced, {}};
    for (const kernels::Entry& entry : operation.entries) {
      report.kernels.push_back({std::string(entry.kernel), entry.used, entry.traits.row_invariant,
                                std::string(entry.support.reason()), names_of(entry.used_for)});
    }
    reports.push_back(std::move(report));
  }
  return reports;
}

// As on the device that DeviceType::automatic takes, or without one.
std::vector<OperationReport> cuda_operations(const CudaDriver& driver, const std::string& no_cuda) {
  kernels::Machine machine;
  machine.cuda_capability = no_cuda.empty() ? driver.devices.front().capability : 1;
  std::vector<OperationReport> reports =
      operations(no_cuda.empty() ? kernels::Choice::of_environment() : kernels::Choice(), machine);
  if (no_cuda.empty()) return reports;
  for (OperationReport& report : reports) {
    for (KernelReport& kernel : report.kernels) kernel.unfit = no_cuda;
  }
  return reports;
}

void describe_devices(SystemReport& report) {
  const CudaDriver driver = examine_cuda_driver();
  const std::string plugin = cuda_plugin_place();
  report.no_cuda = cuda_obstacle(0, driver, plugin).reason;
  for (std::size_t i = 0; i < driver.devices.size(); ++i) {
    const CudaDevice& device = driver.devices[i];
    report.devices.push_back({"cuda:" + std::to_string(i), device.name, device.memory,
                              cuda_obstacle(static_cast<int>(i), driver, plugin).reason});
  }
  report.cuda_operations = cuda_operations(driver, report.no_cuda);
}

}  // namespace

SystemReport examine_system(const std::string& kernels) {
  return at_boundary([&] {
    const kernels::Choice choice =
        kernels::Choice::parse(kernels, "kernels").or_else(kernels::Choice::of_environment());
    SystemReport report;
    report.version = version();
    report.processor = processor_name();
    report.instruction_sets = instruction_sets(kernels::this_machine());
    report.threads = usable_cores();
    report.modules = {module_report("libinstructblip_stages.so", "models, which run on LibTorch"),
                      module_report("libinstructblip_codecs.so", "rare picture files"),
                      module_report("libinstructblip_video.so", "video files"),
                      module_report("libinstructblip_sentencepiece.so",
                                    "a Vicuna's tokenizer.model with compat lavis")};
    describe_devices(report);
    report.operations = operations(choice, kernels::this_machine());
    return report;
  });
}

}  // namespace instructblip
