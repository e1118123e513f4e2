#include "conversion/convert.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "adapters/tensor_names.h"
#include "checkpoint/shard_writer.h"
#include "config/image_config.h"
#include "config/retrieval_config.h"
#include "conversion/companions.h"
#include "core/boundary.h"
#include "core/errors.h"
#include "core/new_directory.h"
#include "core/processors.h"
#include "loading/loading.h"
#include "nn/tensor_values.h"
#include "pipeline/model.h"
#include "pipeline/stages.h"
#include "retrieval/loaded_matcher.h"
#include "retrieval/stages.h"

namespace instructblip {
namespace {

namespace fs = std::filesystem;
using Store = std::shared_ptr<const TensorStore>;

constexpr std::string_view kWords = "language_model.shared.weight";
constexpr std::string_view kHead = "language_model.lm_head.weight";

// What is to be written: tensors under the names of transformers, and changes of config.json.
struct Plan {
  Store store;
  std::vector<TensorEntry> tensors;
  Json::Edits edits;
};

VisionEncoder::PixelSize pixel_size(const fs::path& directory, const ImageProcessorRules& rules) {
  const ImageConfig config = read_image_config(directory, rules);
  return {config.height, config.width, true};
}

// The tensors that `build` asks for.
template <typename Build>
std::vector<TensorEntry> needed(const Store& store, const LoadOptions& options,
                                const TensorNames& names, const Build& build) {
  nn::Runtime runtime;
  nn::WeightLoader loader(
      runtime, store,
      {.values = nn::Values::leave,
       .unread = options.ignore_unexpected ? nn::Unread::leave : nn::Unread::refuse});
  runtime.run([&] { build(loader.root()); });
  loader.finish();
  std::vector<TensorEntry> tensors;
  for (const TensorEntry* entry : loader.needed()) {
    if (!is_weight_dtype(entry->dtype)) continue;
    tensors.push_back(*entry);
    tensors.back().name = names.written(entry->name);
  }
  return tensors;
}

const TensorEntry* find(const std::vector<TensorEntry>& tensors, std::string_view name) {
  const auto found = std::ranges::find(tensors, name, &TensorEntry::name);
  return found == tensors.end() ? nullptr : &*found;
}

// T5's words are stored under any of three names, of which transformers fills the others from the
// first; and where a head of its own is missing, it would draw one.
void settle_words(const T5Config& config, std::vector<TensorEntry>& tensors) {
  for (TensorEntry& tensor : tensors) {
    if (tensor.name.ends_with("coder.embed_tokens.weight")) tensor.name = kWords;
  }
  const TensorEntry* words = find(tensors, kWords);
  if (config.tie_word_embeddings || words == nullptr || find(tensors, kHead) != nullptr) return;
  TensorEntry head = *words;
  head.name = kHead;
  tensors.push_back(std::move(head));
}

std::int64_t vocabulary_of(const ModelConfig& config) {
  return std::visit([](const auto& text) { return text.vocabulary; }, config.text);
}

void say_words(const QFormerConfig& config, std::int64_t described, Json::Edits& edits) {
  if (config.vocabulary == described) return;
  edits.push_back({{"qformer_config", "vocab_size"}, std::to_string(config.vocabulary)});
}

Plan plan_of_answers(const fs::path& directory, const LoadOptions& options) {
  ModelConfig config = read_model_config(directory);
  const std::int64_t described = vocabulary_of(config);
  const std::int64_t words = config.qformer ? config.qformer->vocabulary : 0;
  Plan plan{open_weights(directory, options, config), {}, {}};
  const VisionEncoder::PixelSize size = pixel_size(directory, config.image_processor);
  plan.tensors = needed(plan.store, options, TensorNames(config),
                        [&](const nn::Weights& root) { Stages(root, config, size); });
  if (const auto* t5 = std::get_if<T5Config>(&config.text)) settle_words(*t5, plan.tensors);
  if (vocabulary_of(config) != described) {
    plan.edits.push_back({{"text_config", "vocab_size"}, std::to_string(vocabulary_of(config))});
  }
  if (config.qformer) say_words(*config.qformer, words, plan.edits);
  return plan;
}

Plan plan_of_retrieval(const fs::path& directory, const LoadOptions& options) {
  RetrievalConfig config = read_retrieval_config(directory);
  const std::int64_t words = config.qformer.vocabulary;
  Plan plan{open_weights(directory, options, config), {}, {}};
  say_words(config.qformer, words, plan.edits);
  const VisionEncoder::PixelSize size = pixel_size(directory, config.image_processor);
  plan.tensors = needed(plan.store, options, TensorNames(config),
                        [&](const nn::Weights& root) { RetrievalStages(root, config, size); });
  return plan;
}

// All that loading checks, tokenizers too: what is written must load again.
Plan checked_plan(const fs::path& directory, LoadOptions options) {
  if (options.compat != Compat::hf) {
    throw Error(ErrorCode::invalid_argument,
                "compat: convert writes weights as they are, expected none",
                "give it where the directory is loaded");
  }
  options.weights = false;
  options.interpolate_pos_encoding = true;
  options.progress = {};
  if (is_retrieval_config(directory)) {
    load_matcher(directory, options);
    return plan_of_retrieval(directory, options);
  }
  load_pipeline(directory, options);
  return plan_of_answers(directory, options);
}

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
                  "write f16 or bf16, and ask for q8 or q4 when the directory is loaded");
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

// Hands out the values of `entry` as `dtype`: as they lie in the file, or made.
void write_values(const TensorEntry& entry, const Store& store, DType dtype, const ByteSink& sink) {
  if (!entry.recipe && entry.dtype == dtype) {
    constexpr std::size_t kPieceBytes = 8 << 20;
    TensorEntry piece = entry;
    for (std::size_t at = 0; at < entry.bytes.size(); at += kPieceBytes) {
      piece.bytes = entry.bytes.subspan(at, std::min(kPieceBytes, entry.bytes.size() - at));
      sink(piece.bytes);
      store->release(piece);
    }
    return;
  }
  const at::Tensor values = nn::values_of(entry, store, nn::scalar_type(dtype)).contiguous();
  sink({static_cast<const std::byte*>(values.const_data_ptr()), values.nbytes()});
}

// `done` counts bytes while they are written; what refers to it must not outlive the arguments.
std::vector<TensorToWrite> to_write(const Plan& plan, const std::optional<Target>& target,
                                    const LoadOptions& options, ConvertReport& report,
                                    std::int64_t& done) {
  std::vector<TensorToWrite> tensors;
  for (const TensorEntry& entry : plan.tensors) {
    const DType dtype = target ? target->dtype : entry.dtype;
    const std::int64_t bytes =
        checked_elements(entry.shape).value() * static_cast<std::int64_t>(size_of(dtype));
    report.bytes += bytes;
    TensorToWrite& tensor = tensors.emplace_back(TensorToWrite{entry.name, dtype, entry.shape});
    tensor.make = [&, dtype, bytes](const ByteSink& sink) {
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
    Plan plan = checked_plan(checkpoint_dir, options);
    if (target) set_dtype(checkpoint_dir, *target, plan.edits);
    // Its weights have been replaced, else they had been refused: what is written is not quantised.
    if (Json::read(checkpoint_dir / "config.json").contains("quantization_config")) {
      plan.edits.push_back({{"quantization_config"}, ""});
    }
    copy_companions(checkpoint_dir, directory.path(), plan.edits);
    ConvertReport report;
    std::int64_t done = 0;
    nn::Runtime(options.threads > 0 ? options.threads : usable_cores()).run([&] {
      report.files = write_shards(directory.path(), to_write(plan, target, options, report, done),
                                  how.max_shard_bytes);
    });
    directory.finish();
    return report;
  });
}

}  // namespace instructblip
