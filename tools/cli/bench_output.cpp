#include "cli/bench_output.h"

#include <fstream>
#include <nlohmann/json.hpp>

#include "cli/failure.h"
#include "cli/output.h"
#include "cli/table.h"

namespace instructblip::cli {
namespace {

using Object = nlohmann::ordered_json;

// What tells the rows of a run apart.
Object key_of(const BenchmarkRow& row) {
  return {{"model", row.model},
          {"layers", row.layers},
          {"stage", to_string(row.stage)},
          {"weights", row.weights},
          {"numerics", row.numerics},
          {"rows", row.rows},
          {"prompt", row.prompt},
          {"new_tokens", row.new_tokens},
          {"requests", row.requests},
          {"threads", row.threads},
          {"device", row.device},
          {"policy", row.policy},
          {"kernels", row.kernels},
          {"pin", row.pin}};
}

// Its part that rows had before they named the policy, kernels and pinning.
Object without_later_names(Object key) {
  for (const char* name : {"policy", "kernels", "pin"}) key.erase(name);
  return key;
}

Object known(std::int64_t bytes) { return bytes > 0 ? Object(bytes) : Object(nullptr); }

Object object_of(const BenchmarkRow& row, const EarlierRun& earlier) {
  Object object = key_of(row);
  object.update({{"samples", row.samples},
                 {"median_ms", row.median_ms},
                 {"least_ms", row.least_ms},
                 {"spread", row.spread},
                 {"bytes", row.bytes},
                 {"flops", row.flops},
                 {"read_gbps", row.read_gbps},
                 {"peak_gflops", row.peak_gflops},
                 {"limit_ms", row.limit_ms},
                 {"limited_by", row.limited_by_reading ? "reading" : "arithmetic"},
                 {"fraction_of_limit", row.fraction_of_limit},
                 {"weight_bytes", row.weight_bytes},
                 {"peak_rss_bytes", known(row.peak_rss_bytes)},
                 {"peak_device_bytes", known(row.peak_device_bytes)}});
  const int tokens = row.stage == BenchmarkStage::end_to_end ? row.requests * row.new_tokens : 0;
  if (tokens > 0) object["tokens_per_second"] = tokens / (row.median_ms / 1000);
  if (!row.answer.empty()) {
    object["answer"] = row.answer;
    object["parts_ms"] = {{"image", row.parts.image},     {"vision", row.parts.vision},
                          {"qformer", row.parts.qformer}, {"prefill", row.parts.prefill},
                          {"decode", row.parts.decode},   {"total", row.parts.total}};
  }
  if (earlier.empty()) return object;
  const double before = earlier.median_ms(row);
  object["earlier_median_ms"] = before > 0 ? Object(before) : Object(nullptr);
  object["times_as_fast"] = before > 0 ? Object(before / row.median_ms) : Object(nullptr);
  return object;
}

std::string gigabytes(std::int64_t bytes) {
  return fixed(static_cast<double>(bytes) / 1e9, 2) + " GB";
}

// Numbers stand under each other.
std::string right(const std::string& text, std::size_t width) {
  return std::string(width - std::min(width, text.size()), ' ') + text;
}

std::string number_or_dash(int number) { return number > 0 ? std::to_string(number) : "-"; }

std::vector<std::string> cells_of(const BenchmarkRow& row, const EarlierRun& earlier) {
  const double seconds = row.median_ms / 1000;
  const bool known = row.limit_ms > 0;
  std::vector<std::string> cells = {
      "  " + std::string(to_string(row.stage)),
      right(row.requests > 1 ? std::to_string(row.requests) + "x" + std::to_string(row.rows)
                             : std::to_string(row.rows),
            5),
      right(number_or_dash(row.prompt), 6),
      right(number_or_dash(row.new_tokens), 6),
      right(fixed(row.median_ms, row.median_ms < 100 ? 2 : 0), 9),
      right(fixed(100 * row.spread, 1) + " %", 6),
      right(fixed(row.bytes / 1e9 / seconds, 1), 6),
      right(fixed(row.flops / 1e9 / seconds, 1), 7),
      right(known ? fixed(100 * row.fraction_of_limit, 0) + " %" : "-", 5),
      !known                   ? ""
      : row.limited_by_reading ? "reading"
                               : "arithmetic"};
  if (earlier.empty()) return cells;
  const double before = earlier.median_ms(row);
  cells.push_back(right(before > 0 ? fixed(before / row.median_ms, 2) : "-", 6));
  return cells;
}

std::string heading(const BenchmarkRow& row) {
  std::string text = row.model;
  if (row.layers > 0) text += ", layers of each stack: " + std::to_string(row.layers);
  text += ", " + row.weights + " weights of " + gigabytes(row.weight_bytes) + "\n  ";
  text += row.device == "cpu"
              ? "numerics " + row.numerics + ", threads: " + std::to_string(row.threads)
              : "on " + row.device;
  if (row.pin) text += ", pinned";
  const std::int64_t peak = row.device == "cpu" ? row.peak_rss_bytes : row.peak_device_bytes;
  if (peak > 0) text += ", peak memory " + gigabytes(peak);
  if (!row.policy.empty()) text += "\n  policy " + row.policy;
  if (!row.kernels.empty()) text += "\n  kernels " + row.kernels;
  return text;
}

// A line, or none where no kernel multiplies what is rounded.
std::string rounded_numbers(const BenchmarkLimits& limits) {
  if (limits.peak_gops_of_8_bits <= 0) return "";
  std::string text = "  whole numbers: " + fixed(limits.peak_gops_of_16_bits, 0) +
                     " Gop/s of 16 bits, " + fixed(limits.peak_gops_of_8_bits, 0) + " of 8 bits";
  if (limits.peak_gflops_of_bf16 > 0) {
    text += "; bf16: " + fixed(limits.peak_gflops_of_bf16, 0) + " GFLOP/s";
  }
  return text + "\n";
}

std::string describe(const BenchmarkLimits& limits) {
  if (limits.device != "cpu") {
    return "  " + limits.device + ": copies " + fixed(limits.read_gbps, 0) +
           " GB/s, read and written; " + fixed(limits.peak_gflops / 1000, 1) +
           " TFLOP/s in a product of " + limits.weights + "\n";
  }
  return "  threads: " + std::to_string(limits.threads) + "; reads " + fixed(limits.read_gbps, 1) +
         " GB/s" +
         (limits.huge_pages ? ", in pages of 4 KiB " + fixed(limits.read_gbps_ordinary, 1)
                            : ", in pages of 4 KiB alone") +
         "; " + fixed(limits.peak_gflops, 0) + " GFLOP/s of multiply-adds\n" +
         rounded_numbers(limits);
}

[[noreturn]] void refuse(const std::string& file, const std::string& what) {
  throw Failure(ExitCode::usage, "--compare " + file + ": " + what +
                                     ", expected what `instructblip bench --json` printed");
}

}  // namespace

EarlierRun::EarlierRun(const std::string& file) {
  std::ifstream stream(file);
  if (!stream) refuse(file, "cannot be read");
  const Object run = Object::parse(stream, nullptr, /*allow_exceptions=*/false);
  if (!run.is_object() || !run.contains("rows") || !run["rows"].is_array()) {
    refuse(file, "holds no object with rows");
  }
  const Object all = key_of({}), older = without_later_names(all);
  for (const Object& row : run["rows"]) {
    Object key;
    const Object& names = row.is_object() && !row.contains("policy") ? older : all;
    for (const auto& [name, value] : names.items()) {
      // Runs before there was a list of numerics did not name them.
      const bool unnamed = name == "numerics" && row.is_object() && !row.contains(name);
      if (!unnamed && (!row.is_object() || !row.contains(name))) {
        refuse(file, "has a row without " + name);
      }
      key[name] = unnamed ? Object("reference") : row[name];
    }
    const auto median = row.find("median_ms");
    if (median == row.end() || !median->is_number() || median->get<double>() <= 0) {
      refuse(file, "has a row without a median_ms above 0");
    }
    medians_[key.dump()] = median->get<double>();
  }
}

double EarlierRun::median_ms(const BenchmarkRow& row) const {
  const Object key = key_of(row);
  auto found = medians_.find(key.dump());
  if (found == medians_.end()) found = medians_.find(without_later_names(key).dump());
  return found == medians_.end() ? 0 : found->second;
}

std::string to_json(const BenchmarkReport& report, const SystemReport& machine,
                    const EarlierRun& earlier) {
  Object limits = Object::array(), rows = Object::array();
  for (const BenchmarkLimits& limit : report.limits) {
    limits.push_back({{"threads", limit.threads},
                      {"device", limit.device},
                      {"weights", limit.weights},
                      {"read_gbps", limit.read_gbps},
                      {"read_gbps_ordinary", limit.read_gbps_ordinary},
                      {"peak_gflops", limit.peak_gflops},
                      {"peak_gops_of_8_bits", limit.peak_gops_of_8_bits},
                      {"peak_gops_of_16_bits", limit.peak_gops_of_16_bits},
                      {"peak_gflops_of_bf16", limit.peak_gflops_of_bf16},
                      {"huge_pages", limit.huge_pages}});
  }
  for (const BenchmarkRow& row : report.rows) rows.push_back(object_of(row, earlier));
  const Object object = {{"version", machine.version},
                         {"machine",
                          {{"processor", machine.processor},
                           {"instructions", machine.instruction_sets},
                           {"cores", machine.threads}}},
                         {"limits", limits},
                         {"complete", report.complete},
                         {"rows", rows}};
  return object.dump(-1, ' ', false, Object::error_handler_t::replace);
}

std::string to_text(const BenchmarkReport& report, const SystemReport& machine,
                    const EarlierRun& earlier) {
  std::string text = "instructblip " + machine.version + " on " + machine.processor + "\n";
  for (const BenchmarkLimits& limits : report.limits) text += describe(limits);
  std::vector<std::string> head = {"  stage",      " rows",          "prompt",         "tokens",
                                   right("ms", 9), "spread",         right("GB/s", 6), "GFLOP/s",
                                   "share",        "of the limit by"};
  if (!earlier.empty()) head.emplace_back("as fast");
  std::vector<std::vector<std::string>> lines;
  for (std::size_t i = 0; i < report.rows.size(); ++i) {
    const BenchmarkRow& row = report.rows[i];
    if (lines.empty()) lines.push_back(head);
    lines.push_back(cells_of(row, earlier));
    if (i + 1 < report.rows.size() && heading(report.rows[i + 1]) == heading(row)) continue;
    text += "\n" + heading(row) + "\n" + table(lines);
    lines.clear();
  }
  text +=
      "\nms: median, of decode a step; spread: half the distance between the quartiles; GB/s and "
      "GFLOP/s:\nwhat has to be read and computed over that time; share: of what the machine could "
      "do.\n";
  if (!earlier.empty()) text += "as fast: the earlier median over this one.\n";
  return harmless(text);
}

}  // namespace instructblip::cli
