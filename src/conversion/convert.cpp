#include "conversion/convert.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "checkpoint/shard_writer.h"
#include "conversion/companions.h"
#include "conversion/plan.h"
#include "core/boundary.h"
#include "core/errors.h"
#include "core/new_directory.h"
#include "core/processors.h"
#include "nn/runtime.h"

namespace instructblip {
namespace {

namespace fs = std::filesystem;

struct Target {
  DType dtype;
  const char* name;  // as config.json says it
};

std::optional<Target> target_of(Precision precision) {
  switch (precision) {
    case Precision::f32:
      return Target{DType::f32, "\"float32\""};
    case Precision::f16:
      return Target{DType::f16, "\"float16\""};
    case Precision::bf16:
      return Target{DType::bf16, "\"bfloat16\""};
    case Precision::automatic:
      break;
    case Precision::q8:
    case Precision::q4:
      throw Error(ErrorCode::invalid_argument,
                  "precision: expected auto, f32, f16 or bf16, which transformers reads, got q8 or "
                  "q4",
                  "instructblip quantize writes q8 and q4, which this library reads");
  }
  return std::nullopt;
}

// Wherever config.json names a type, and at its top.
void set_dtype(const fs::path& directory, const Target& target, Json::Edits& edits) {
  const Json root = Json::read(directory / "config.json");
  const char* const key = root.contains("dtype") ? "dtype" : "torch_dtype";
  edits.push_back({{key}, target.name});
  for (const char* section : {"vision_config", "qformer_config", "text_config"}) {
    const auto part = root.find(section);
    if (!part) continue;
    for (const char* name : {"dtype", "torch_dtype"}) {
      if (part->contains(name)) edits.push_back({{section, name}, target.name});
    }
  }
}

// `done` counts bytes while they are written; what refers to it must not outlive the arguments.
std::vector<TensorToWrite> to_write(const Plan& plan, const std::optional<Target>& target,
                                    const LoadOptions& options, ConvertReport& report,
                                    std::int64_t& done) {
  std::vector<TensorToWrite> tensors;
  for (const PlannedTensor& planned : plan.tensors) {
    const TensorEntry& entry = planned.entry;
    const DType dtype = target ? target->dtype : entry.dtype;
    const std::int64_t bytes =
        checked_elements(entry.shape).value() * static_cast<std::int64_t>(size_of(dtype));
    report.bytes += bytes;
    TensorToWrite& tensor = tensors.emplace_back(TensorToWrite{entry.name, dtype, entry.shape});
    tensor.make = [&entry, &plan, &options, &report, &done, dtype, bytes](const ByteSink& sink) {
      write_values(entry, plan.store, dtype, sink);
      done += bytes;
      if (options.progress) call_back([&] { options.progress(done, report.bytes); });
    };
  }
  report.tensors = static_cast<int>(tensors.size());
  return tensors;
}

}  // namespace

ConvertReport convert_checkpoint(const fs::path& checkpoint_dir, const fs::path& output,
                                 const LoadOptions& options, const ConvertOptions& how) {
  return at_boundary([&] {
    if (how.max_shard_bytes < 1) {
      throw Error(ErrorCode::invalid_argument, "max_shard_bytes: expected a positive number, got " +
                                                   std::to_string(how.max_shard_bytes));
    }
    const std::optional<Target> target = target_of(options.precision);
    NewDirectory directory(output);
    Plan plan = checked_plan(checkpoint_dir, options, WrittenFor::transformers);
    if (target) set_dtype(checkpoint_dir, *target, plan.edits);
    // Its weights have been replaced, else they had been refused: what is written is not quantised.
    if (Json::read(checkpoint_dir / "config.json").contains("quantization_config")) {
      plan.edits.push_back({{"quantization_config"}, ""});
    }
    copy_companions(checkpoint_dir, directory.path(), plan.edits);
    ConvertReport report;
    std::int64_t done = 0;
    nn::Runtime(options.threads > 0 ? options.threads : usable_cores()).run([&] {
      auto tensors = to_write(plan, target, options, report, done);
      check_room(directory.path(), report.bytes);
      report.files = write_shards(directory.path(), std::move(tensors), how.max_shard_bytes);
    });
    directory.finish();
    return report;
  });
}

}  // namespace instructblip
