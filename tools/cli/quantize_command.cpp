// instructblip quantize: writes a model in 8 or 4 bits, and says what that does to it.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/session.h"
#include "cli/table.h"
#include "instructblip/quantization.h"

namespace instructblip::cli {
namespace {

using Object = nlohmann::ordered_json;

// What a share of requests is compared by.
struct Summary {
  int equal = 0, tokens = 0, equal_tokens = 0;
  double mean_divergence = 0, worst_divergence = 0;
};

Summary summary_of(const std::vector<Probe>& probes) {
  Summary all;
  for (const Probe& probe : probes) {
    const auto tokens = static_cast<int>(probe.tokens.size());
    all.equal += probe.first_difference < 0 ? 1 : 0;
    all.tokens += tokens;
    all.equal_tokens +=
        probe.first_difference < 0 ? tokens : std::min(tokens, probe.first_difference);
    all.mean_divergence += probe.divergence / static_cast<double>(probes.size());
    all.worst_divergence = std::max(all.worst_divergence, probe.divergence);
  }
  return all;
}

Object object_of(const MatrixError& matrix) {
  return {{"name", matrix.name},           {"module", matrix.module},
          {"weights", matrix.precision},   {"rows", matrix.rows},
          {"columns", matrix.columns},     {"error", matrix.error},
          {"worst_row", matrix.worst_row}, {"worst_error", matrix.worst_error}};
}

Object object_of(const Probe& probe) {
  return {{"instruction", probe.instruction},
          {"equal", probe.first_difference < 0},
          {"first_difference",
           probe.first_difference < 0 ? Object(nullptr) : Object(probe.first_difference)},
          {"divergence", probe.divergence},
          {"text", probe.text},
          {"quantized_text", probe.quantized_text},
          {"tokens", probe.tokens},
          {"quantized_tokens", probe.quantized_tokens}};
}

std::string to_json(const QuantizeReport& report) {
  Object matrices = Object::array(), probes = Object::array();
  for (const MatrixError& matrix : report.matrices) matrices.push_back(object_of(matrix));
  for (const Probe& probe : report.probes) probes.push_back(object_of(probe));
  const Summary all = summary_of(report.probes);
  const Object agreement = {{"requests", report.probes.size()},
                            {"equal", all.equal},
                            {"tokens", all.tokens},
                            {"equal_tokens", all.equal_tokens},
                            {"mean_divergence", all.mean_divergence},
                            {"worst_divergence", all.worst_divergence},
                            {"probes", probes}};
  const Object object = {{"tensors", report.tensors},
                         {"files", report.files},
                         {"bytes", report.bytes},
                         {"weights", report.precision},
                         {"policy", report.policy},
                         {"matrices", matrices},
                         {"agreement", report.probes.empty() ? Object(nullptr) : agreement}};
  return object.dump(-1, ' ', false, Object::error_handler_t::replace);
}

std::string percent(double share) { return fixed(100 * share, 3) + " %"; }

std::string to_text(const QuantizeReport& report) {
  std::vector<std::vector<std::string>> rows = {
      {"matrix", "weights", "error", "worst row", "its error"}};
  for (const MatrixError& matrix : report.matrices) {
    rows.push_back({matrix.name, matrix.precision, percent(matrix.error),
                    std::to_string(matrix.worst_row), percent(matrix.worst_error)});
  }
  std::string text = table(rows);
  if (!report.probes.empty()) {
    rows = {{"request", "first difference", "divergence", "whole model", "as written"}};
    for (const Probe& probe : report.probes) {
      rows.push_back(
          {probe.instruction,
           probe.first_difference < 0 ? "equal" : "token " + std::to_string(probe.first_difference),
           fixed(probe.divergence, 6), probe.text,
           probe.first_difference < 0 ? "" : probe.quantized_text});
    }
    const Summary all = summary_of(report.probes);
    text += "\n" + table(rows) + "\n" + std::to_string(all.equal) + " of " +
            std::to_string(report.probes.size()) + " answers are equal, " +
            std::to_string(all.equal_tokens) + " of " + std::to_string(all.tokens) +
            " tokens before the first difference of each\n";
  }
  return harmless(text) + "\n" + report.precision + ", " + report.policy + ": " +
         std::to_string(report.tensors) + " tensors, " + std::to_string(report.bytes) +
         " bytes, in " + std::to_string(report.files) +
         (report.files == 1 ? " file\n" : " files\n");
}

ExitCode quantize_model(Session& session) {
  const Settings& settings = session.settings;
  LoadOptions options = settings.load;
  session.warn_of_threads(options.threads);
  QuantizeOptions how = settings.quantize;
  const Interrupt::Graceful graceful(session.interrupt);
  const auto go_on = [&] {
    if (session.interrupt.requested()) {
      throw Failure(ExitCode::interrupted, "interrupted: nothing was written");
    }
  };
  options.progress = [&](std::int64_t done, std::int64_t total) {
    go_on();
    session.progress.update(done, total);
  };
  how.on_stage = [&](const std::string& what) {
    go_on();
    session.progress.begin(what, Progress::Unit::none);
  };
  session.progress.begin("writing", Progress::Unit::bytes);
  const QuantizeReport report = during(
      Stage::request, [&] { return quantize(settings.model, settings.output, options, how); });
  session.progress.end();
  session.output.write(settings.json ? to_json(report) + "\n" : to_text(report));
  return ExitCode::success;
}

constexpr Takes kTakes[] = {Group::model, "policy", "threads", "json", "quiet"};
constexpr Takes kNeeds[] = {"model", "output", "weights"};

}  // namespace

extern const Command kQuantize = {
    .name = "quantize",
    .usage = "CHECKPOINT -o DIR --weights q8|q4",
    .help =
        "write a model in 8 or 4 bits as one directory that loads quickly, and say what that "
        "does to it",
    .takes = kTakes,
    .needs = kNeeds,
    .execute = quantize_model,
    .own = options::quantization_table,
    .stray = "model",
};

}  // namespace instructblip::cli
