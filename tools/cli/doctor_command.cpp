// instructblip doctor: describes this machine and what of the library runs on it.
#include <cstdlib>

#include "cli/json_output.h"
#include "cli/session.h"
#include "cli/table.h"
#include "instructblip/doctor.h"

namespace instructblip::cli {
namespace {

std::string joined(const std::vector<std::string>& items) {
  std::string out;
  for (const std::string& item : items) out += (out.empty() ? "" : ", ") + item;
  return out;
}

std::string overview(const SystemReport& report) {
  std::vector<std::vector<std::string>> rows = {
      {"instructblip", report.version},
      {"processor", report.processor},
      {"instructions", joined(report.instruction_sets)},
      {"threads", std::to_string(report.threads)},
  };
  // Else what kernels say of this processor would seem to be wrong.
  const char* const newest = std::getenv("INSTRUCTBLIP_INSTRUCTIONS");
  if (newest != nullptr && *newest != '\0') {
    rows.push_back({"taken for", "one without instructions newer than " + std::string(newest) +
                                     " (INSTRUCTBLIP_INSTRUCTIONS)"});
  }
  for (const ModuleReport& module : report.modules) {
    rows.push_back({module.found ? "found" : "MISSING", module.file + ", for " + module.purpose});
  }
  for (const DeviceReport& device : report.devices) {
    rows.push_back({device.name,
                    device.model + ", " + fixed(static_cast<double>(device.memory_bytes) / 1e9, 1) +
                        " GB" + (device.unfit.empty() ? "" : "; not used: ") + device.unfit});
  }
  rows.push_back({"device auto", report.no_cuda.empty() ? "cuda:0" : "cpu: " + report.no_cuda});
  return harmless(table(rows));
}

std::string state(const KernelReport& kernel, bool forced) {
  if (kernel.used) {
    const std::string weights = kernel.used_for.empty() ? "" : " for " + joined(kernel.used_for);
    return "used" + weights + (forced ? ": forced" : "");
  }
  return kernel.unfit.empty() ? "fits" : "does not fit: " + kernel.unfit;
}

// Each operation with its kernels, best first.
std::string kernel_table(const std::vector<OperationReport>& operations, const std::string& where) {
  std::string out;
  for (const OperationReport& operation : operations) {
    out += "\n" + operation.name + where + ": " + operation.purpose + "\n";
    std::vector<std::vector<std::string>> rows;
    for (const KernelReport& kernel : operation.kernels) {
      rows.push_back({"  " + kernel.name, kernel.row_invariant ? "row invariant" : "",
                      state(kernel, operation.forced)});
    }
    out += table(rows);
  }
  return out;
}

ExitCode doctor(Session& session) {
  const SystemReport report =
      during(Stage::request, [&] { return examine_system(session.settings.load.kernels); });
  if (session.settings.json) {
    session.output.write(to_json(report) + "\n");
  } else {
    session.output.write(overview(report) + kernel_table(report.operations, "") +
                         kernel_table(report.cuda_operations, " on cuda"));
  }
  return ExitCode::success;
}

constexpr Takes kTakes[] = {"kernels", "json"};

}  // namespace

extern const Command kDoctor = {
    .name = "doctor",
    .usage = "[--kernels LIST]",
    .help = "describe this machine and what of the library runs on it",
    .takes = kTakes,
    .execute = doctor,
};

}  // namespace instructblip::cli
