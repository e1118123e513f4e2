// instructblip info: describes a checkpoint.
#include "cli/json_output.h"
#include "cli/session.h"
#include "cli/table.h"

namespace instructblip::cli {
namespace {

template <typename Number>
std::string joined(const std::vector<Number>& numbers) {
  std::string out;
  for (const Number number : numbers) out += (out.empty() ? "" : ", ") + std::to_string(number);
  return out;
}

std::string layers(int count, int width) {
  return std::to_string(count) + " layers, width " + std::to_string(width);
}

std::string qformer(const ModelInfo& info) {
  if (info.query_tokens == 0) return "none";
  const std::string reads =
      info.max_instruction_tokens == 0
          ? "no text"
          : "texts of at most " + std::to_string(info.max_instruction_tokens) + " tokens";
  return layers(info.qformer_layers, info.qformer_width) + ", " +
         std::to_string(info.query_tokens) + " queries, " + reads;
}

std::string language(const ModelInfo& info) {
  if (info.language_model.empty()) {
    return "none: pictures and texts are compared in " + std::to_string(info.shared_width) +
           " dimensions";
  }
  return layers(info.language_layers, info.language_width) + ", vocabulary of " +
         std::to_string(info.vocabulary) + ", stops at " + joined(info.stop_tokens);
}

// "vision 197.1 MB as f16, ..."
std::string modules(const ModelInfo& info) {
  std::string out;
  for (const ModuleInfo& module : info.modules) {
    out += (out.empty() ? "" : ", ") + module.name + " " +
           fixed(static_cast<double>(module.bytes) / 1e6, 1) + " MB as " + module.precision;
  }
  return out + (info.policy.empty() ? "" : "; " + info.policy);
}

std::string description(const ModelInfo& info) {
  return table({
      {"family",
       info.family + ", " + (info.language_model.empty() ? "retrieval" : info.language_model)},
      {"parameters", fixed(static_cast<double>(info.parameters) / 1e6, 1) + " million"},
      {"weights", fixed(static_cast<double>(info.weight_bytes) / 1e6, 1) + " MB as " +
                      info.precision + " on " + info.device +
                      (info.device_reason.empty() ? "" : "; no CUDA: " + info.device_reason)},
      {"modules", modules(info)},
      {"picture", std::to_string(info.image_width) + " x " + std::to_string(info.image_height) +
                      " pixels, " + std::to_string(info.image_positions) +
                      " positions, resized as by " + std::string(options::name_of(info.resize))},
      {"vision", layers(info.vision_layers, info.vision_width)},
      {"Q-Former", qformer(info)},
      {"language", language(info)},
      {"answers",
       std::string(info.compat == Compat::hf ? "as transformers gives them"
                                             : "as LAVIS gives them") +
           (info.rounds_rows
                ? ", but for weights of few bits, and products where the processor has them"
                : "")},
      {"numerics", std::string(to_string(info.numerics))},
      {"threads", std::to_string(info.threads)},
  });
}

std::string tensor_table(const ModelInfo& info) {
  std::vector<std::vector<std::string>> rows;
  for (const TensorInfo& tensor : info.tensors) {
    rows.push_back({tensor.name, tensor.dtype, "[" + joined(tensor.shape) + "]", tensor.file});
  }
  return harmless(table(rows));
}

ExitCode info(Session& session) {
  const ModelInfo info = session.describe();
  const bool with_tensors = session.settings.tensors;
  if (session.settings.json) {
    session.output.write(to_json(info, with_tensors) + "\n");
  } else {
    session.output.write(description(info) + (with_tensors ? "\n" + tensor_table(info) : ""));
  }
  return ExitCode::success;
}

constexpr Takes kTakes[] = {Group::model, "compat", "dtype",   "policy", "device",
                            "threads",    "json",   "tensors", "quiet"};
constexpr Takes kNeeds[] = {"model"};

}  // namespace

extern const Command kInfo = {
    .name = "info",
    .usage = "--model DIR",
    .help = "describe a checkpoint",
    .takes = kTakes,
    .needs = kNeeds,
    .execute = info,
};

}  // namespace instructblip::cli
