#include "benchmark/subject.h"

#include <algorithm>
#include <variant>

#include "adapters/plausibility.h"
#include "benchmark/synthetic_weights.h"
#include "benchmark/word_numbers.h"
#include "core/errors.h"
#include "core/processors.h"
#include "costs/published_models.h"
#include "loading/loading.h"
#include "loading/weight_policy.h"
#include "pipeline/assemble.h"

namespace instructblip {
namespace {

// Stored as they are held, so that they are in memory once.
DType stored_for(Precision precision) {
  switch (precision) {
    case Precision::f16:
    case Precision::q8:
    case Precision::q4:
      return DType::f16;
    case Precision::bf16:
      return DType::bf16;
    default:
      return DType::f32;
  }
}

// Null where all parts are held alike.
nn::ChooseFormat policy_of(const LoadOptions& options) {
  if (options.precision != Precision::q8 && options.precision != Precision::q4) return {};
  return [policy = WeightPolicy(options.precision, options.policy)](
             nn::Module module, DType stored) { return policy.format(module, stored); };
}

std::int64_t vocabulary_of(const ModelConfig& config) {
  return std::visit([](const auto& text) { return text.vocabulary; }, config.text);
}

}  // namespace

Subject Subject::of_directory(const std::filesystem::path& directory) {
  Subject subject;
  subject.directory_ = directory;
  subject.name_ = printable(std::filesystem::weakly_canonical(directory).filename().string());
  subject.config_ = read_model_config(directory);
  subject.image_ = image_config_of(directory, {}, subject.config_.image_processor);
  return subject;
}

Subject Subject::synthetic(const std::string& name, int layers) {
  Subject subject;
  subject.name_ = name;
  subject.layers_ = layers;
  subject.config_ = costs::published_config(name);
  if (layers > 0) costs::cut_layers(subject.config_, layers);
  subject.image_ = costs::image_config_for(subject.config_);
  return subject;
}

std::shared_ptr<const TensorStore> Subject::weights(const LoadOptions& options,
                                                    const std::stop_token& stop) {
  if (!directory_.empty()) {
    auto store = open_weights(directory_, options, config_);
    check_plausible(config_, *store);
    return store;
  }
  const VisionEncoder::PixelSize pixels{image_.height, image_.width, /*interpolate=*/false};
  const MadeAs as{stored_for(options.precision), policy_of(options), stop};
  return synthetic_weights(tensors_of(config_, pixels), as, usable_cores());
}

PromptBuilder Subject::prompts() const {
  const std::int64_t rows = vocabulary_of(config_);
  const std::string& marker = config_.prompt.image_marker;
  const auto last = static_cast<std::int32_t>(rows - 1);
  PromptFiles files;
  files.language =
      std::make_unique<WordNumbers>(rows, marker, config_.prompt.image_token.value_or(last));
  if (config_.qformer && config_.qformer->reads_instruction) {
    const std::int64_t words = config_.qformer->vocabulary;
    files.qformer =
        std::make_unique<WordNumbers>(words, marker, static_cast<std::int32_t>(words - 1));
  }
  return PromptBuilder(std::move(files), config_, rows);
}

ModelParts Subject::load(const LoadOptions& asked, const std::stop_token& stop) {
  const LoadOptions options = directory_.empty() ? asked : as_written(directory_, asked);
  auto store = weights(options, stop);
  return assemble({config_, image_, std::move(store), prompts()}, options);
}

}  // namespace instructblip
