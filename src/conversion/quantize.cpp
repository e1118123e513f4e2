#include "conversion/quantize.h"

#include <cmath>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "adapters/own_quantisation.h"
#include "checkpoint/shard_writer.h"
#include "config/retrieval_config.h"
#include "conversion/agreement.h"
#include "conversion/companions.h"
#include "conversion/plan.h"
#include "conversion/rounded_matrix.h"
#include "core/boundary.h"
#include "core/errors.h"
#include "core/new_directory.h"
#include "core/processors.h"
#include "kernels/stored_rows.h"
#include "loading/loading.h"
#include "loading/weight_policy.h"
#include "retrieval/loaded_matcher.h"

namespace instructblip {
namespace {

namespace fs = std::filesystem;

void check(const fs::path& checkpoint, const LoadOptions& options, const QuantizeOptions& how) {
  const auto refuse = [](const std::string& message) {
    throw Error(ErrorCode::invalid_argument, message);
  };
  if (options.precision != Precision::q8 && options.precision != Precision::q4) {
    refuse("precision: expected q8 or q4, in which weights are written");
  }
  if (how.max_shard_bytes < 1) {
    refuse("max_shard_bytes: expected a positive number, got " +
           std::to_string(how.max_shard_bytes));
  }
  constexpr int kMostProbes = 64;
  if (how.probes < 0 || how.probes > kMostProbes) {
    refuse("probes: expected a number in [0, " + std::to_string(kMostProbes) + "], got " +
           std::to_string(how.probes));
  }
  const auto own = own_quantisation(checkpoint);
  if (!own) return;
  throw Error(ErrorCode::unsupported,
              printable(checkpoint.string()) + ": the weights are " + own->weights + " already",
              "give the checkpoint from which they were made");
}

DType dtype_of(nn::Format format) {
  switch (format) {
    case nn::Format::f16:
      return DType::f16;
    case nn::Format::bf16:
      return DType::bf16;
    default:
      return DType::f32;
  }
}

bool is_rounded(const PlannedTensor& tensor) {
  return tensor.held &&
         (tensor.held->format == nn::Format::w8 || tensor.held->format == nn::Format::w4);
}

// Writes the tensors of a plan.
class Writing {
 public:
  // What is given must outlive it.
  Writing(const nn::Runtime& runtime, const Plan& plan, const LoadOptions& options,
          QuantizeReport& report)
      : runtime_(runtime), plan_(plan), options_(options), report_(report) {
    for (const PlannedTensor& tensor : plan.tensors) add(tensor);
    report.tensors = static_cast<int>(tensors_.size());
  }

  std::vector<TensorToWrite> tensors() && { return std::move(tensors_); }

 private:
  using Make = std::function<void(const ByteSink&)>;

  void add(const std::string& name, DType dtype, const Shape& shape, Make make) {
    const std::int64_t bytes =
        checked_elements(shape).value() * static_cast<std::int64_t>(size_of(dtype));
    report_.bytes += bytes;
    TensorToWrite& tensor = tensors_.emplace_back(TensorToWrite{name, dtype, shape});
    tensor.make = [this, bytes, make = std::move(make)](const ByteSink& sink) {
      make(sink);
      done_ += bytes;
      if (options_.progress) call_back([&] { options_.progress(done_, report_.bytes); });
    };
  }

  void add(const PlannedTensor& tensor) {
    if (is_rounded(tensor)) return add_rounded(tensor);
    const TensorEntry& entry = tensor.entry;
    const DType dtype = tensor.held ? dtype_of(tensor.held->format) : entry.dtype;
    add(entry.name, dtype, entry.shape, [this, &entry, dtype](const ByteSink& sink) {
      write_values(entry, plan_.store, dtype, sink);
    });
  }

  void add_rounded(const PlannedTensor& tensor) {
    const nn::Format format = tensor.held->format;
    const int bits = format == nn::Format::w8 ? 8 : 4;
    const OwnNames names = own_names(tensor.entry.name, bits);
    const std::int64_t rows = tensor.entry.shape[0], columns = tensor.entry.shape[1];
    const auto blocks = static_cast<std::int64_t>(kernels::stored_sizes(format, columns).scales /
                                                  size_of(DType::f16));
    const auto scales = [this, &tensor](const ByteSink& sink) { sink(scales_of(tensor)); };
    const auto elements = [this, &tensor](const ByteSink& sink) { sink(rounded(tensor).elements); };
    if (bits == 8) {
      add(names.scales, DType::f32, {rows}, scales);
      add(names.elements, DType::i8, {rows, columns}, elements);
      return;
    }
    add(names.scales, DType::f16, {rows, blocks}, scales);
    add(names.elements, DType::u8, {rows, blocks, 16}, elements);
    add(names.shape, DType::i64, {2},
        [&tensor](const ByteSink& sink) { sink(std::as_bytes(std::span(tensor.entry.shape))); });
  }

  RoundedMatrix rounded(const PlannedTensor& tensor) {
    return RoundedMatrix(runtime_, tensor.entry, plan_.store, tensor.held->format);
  }

  // Scales are written before all elements: a matrix is rounded once for each, which takes no
  // memory for those that wait.
  std::vector<std::byte> scales_of(const PlannedTensor& tensor) {
    RoundedMatrix matrix = rounded(tensor);
    if (!std::isfinite(matrix.error.error)) {
      const bool in_4_bits = tensor.held->format == nn::Format::w4;
      throw Error(ErrorCode::bad_model,
                  printable(tensor.entry.file) + ": tensor " + quote(tensor.entry.name) +
                      ": expected finite numbers" +
                      (in_4_bits ? " of at most 524032, the largest that q4 holds" : "") +
                      ", it holds NaN" +
                      (in_4_bits ? ", infinities or larger ones" : " or infinities"),
                  "download or save the checkpoint once more");
    }
    matrix.error.name = tensor.entry.name;
    matrix.error.module = name_of(tensor.held->module);
    report_.matrices.push_back(std::move(matrix.error));
    return std::move(matrix.scales);
  }

  const nn::Runtime& runtime_;
  const Plan& plan_;
  const LoadOptions& options_;
  QuantizeReport& report_;
  std::vector<TensorToWrite> tensors_;
  std::int64_t done_ = 0;
};

void write(const fs::path& directory, const Plan& plan, const LoadOptions& options,
           const QuantizeOptions& how, QuantizeReport& report) {
  nn::Runtime runtime(options.threads > 0 ? options.threads : usable_cores());
  runtime.run([&] {
    Writing writing(runtime, plan, options, report);
    check_room(directory, report.bytes);
    report.files = write_shards(directory, std::move(writing).tensors(), how.max_shard_bytes);
  });
  std::ranges::sort(report.matrices, {}, &MatrixError::name);
}

std::string description_of(const QuantizeReport& report) {
  return "{\"quant_method\": " + json_literal(kOwnMethod) +
         ", \"format\": " + std::to_string(kOwnFormat) +
         ", \"weights\": " + json_literal(report.precision) +
         ", \"policy\": " + json_literal(report.policy) +
         ", \"written_by\": " + json_literal("instructblip " + std::string(version())) + "}";
}

// Whether it can be loaded is seen before it gets its name.
void ask(const fs::path& checkpoint, const fs::path& written, const LoadOptions& options,
         const QuantizeOptions& how, QuantizeReport& report) {
  LoadOptions as_it_is;
  as_it_is.threads = options.threads;
  as_it_is.mmap = options.mmap;
  as_it_is.interpolate_pos_encoding = true;
  const auto tell = [&](const char* what) {
    if (how.on_stage) call_back([&] { how.on_stage(what); });
  };
  if (is_retrieval_config(checkpoint)) {
    tell("loading what was written");
    load_matcher(written, as_it_is);
    return;
  }
  const bool none = how.probes == 0 && how.requests.empty();
  LoadOptions whole = options;
  whole.precision = Precision::automatic;
  whole.policy = {};
  whole.progress = {};
  whole.interpolate_pos_encoding = true;
  as_it_is.weights = !none;
  Agreement agreement(how);
  if (!none) agreement.ask_whole(checkpoint, whole, tell);
  tell("loading what was written");
  const auto quantized = load_pipeline(written, as_it_is);
  if (!none) report.probes = std::move(agreement).compared_with(*quantized, tell);
}

}  // namespace

QuantizeReport quantize_checkpoint(const fs::path& checkpoint_dir, const fs::path& output,
                                   const LoadOptions& options, const QuantizeOptions& how) {
  return at_boundary([&] {
    check(checkpoint_dir, options, how);
    const WeightPolicy policy(options.precision, options.policy);
    NewDirectory directory(output);
    const nn::ChooseFormat choose = [&](nn::Module module, DType stored) {
      return policy.format(module, stored);
    };
    Plan plan = checked_plan(checkpoint_dir, options, WrittenFor::this_library, choose);
    if (std::ranges::none_of(plan.tensors, is_rounded)) {
      throw Error(ErrorCode::invalid_argument,
                  "policy: expected a part of the model in 8 or 4 bits, got none: " + policy.text(),
                  "convert writes a checkpoint in 16 or 32 bits");
    }
    QuantizeReport report;
    report.precision = options.precision == Precision::q8 ? "q8" : "q4";
    report.policy = policy.text();
    plan.edits.push_back({{"quantization_config"}, description_of(report)});
    copy_companions(checkpoint_dir, directory.path(), plan.edits);
    write(directory.path(), plan, options, how, report);
    plan = {};
    ask(checkpoint_dir, directory.path(), options, how, report);
    directory.finish();
    return report;
  });
}

}  // namespace instructblip
