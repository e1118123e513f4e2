// From a checkpoint directory to a pipeline.
#include <algorithm>
#include <new>
#include <string>
#include <utility>

#include "checkpoint/image_config.h"
#include "checkpoint/plausibility.h"
#include "checkpoint/tensor_store.h"
#include "core/errors.h"
#include "core/log.h"
#include "core/processors.h"
#include "instructblip/pipeline.h"
#include "pipeline/impl.h"
#include "pipeline/stopwatch.h"

namespace instructblip {
namespace {

constexpr int kMostThreads = 1024;

// Below this, handing a part of an operation to another thread takes longer than doing it, and far
// longer where other programs keep the cores busy.
constexpr std::int64_t kOneThreadBytes = 64 << 20;

void check_options(const LoadOptions& options) {
  if (options.threads < 0 || options.threads > kMostThreads) {
    throw Error(ErrorCode::invalid_argument, "threads: expected a number in [0, " +
                                                 std::to_string(kMostThreads) + "], got " +
                                                 std::to_string(options.threads));
  }
  // The CUDA kernels will come as a library that is opened here; without it there is only the CPU.
  if (options.device.type == DeviceType::cuda) {
    throw Error(ErrorCode::invalid_argument,
                "device: expected cpu, got cuda: this build has no CUDA kernels",
                "choose cpu or auto");
  }
}

// The CPU has no fast path for half precision yet: `automatic` widens, and the answers are those of
// float32 whatever is stored.
nn::HeldAs held_as(Precision precision) {
  switch (precision) {
    case Precision::f16:
      return nn::HeldAs::f16;
    case Precision::bf16:
      return nn::HeldAs::bf16;
    case Precision::automatic:
    case Precision::f32:
      break;
  }
  return nn::HeldAs::f32;
}

std::string name_of(nn::HeldAs held) {
  return held == nn::HeldAs::f16 ? "f16" : held == nn::HeldAs::bf16 ? "bf16" : "f32";
}

int threads_for(const LoadOptions& options, const TensorStore& store) {
  if (options.threads > 0) return options.threads;
  return store.bytes() < kOneThreadBytes ? 1 : usable_cores();
}

std::int64_t vocabulary_of(const ModelConfig& config) {
  return std::visit([](const auto& text) { return text.vocabulary; }, config.text);
}

void describe_language(const T5Config& config, ModelInfo& info) {
  info.language_model = "t5";
  info.language_layers = static_cast<int>(config.decoder_layers);
  info.language_width = static_cast<int>(config.hidden);
}

void describe_language(const LlamaConfig& config, ModelInfo& info) {
  info.language_model = "llama";
  info.language_layers = static_cast<int>(config.layers);
  info.language_width = static_cast<int>(config.hidden);
}

void describe_language(const OptConfig& config, ModelInfo& info) {
  info.language_model = "opt";
  info.language_layers = static_cast<int>(config.layers);
  info.language_width = static_cast<int>(config.hidden);
}

void describe_vision(const VitConfig& config, ModelInfo& info) {
  info.vision_layers = static_cast<int>(config.layers);
  info.vision_width = static_cast<int>(config.hidden);
}

void describe_vision(const ClipVisionConfig& config, ModelInfo& info) {
  info.vision_layers = static_cast<int>(config.layers);
  info.vision_width = static_cast<int>(config.hidden);
}

void describe_qformer(const QFormerConfig& config, ModelInfo& info) {
  info.query_tokens = static_cast<int>(config.queries);
  info.qformer_layers = static_cast<int>(config.layers);
  info.qformer_width = static_cast<int>(config.hidden);
  if (config.reads_instruction) {
    info.max_instruction_tokens = static_cast<int>(config.max_positions);
  }
}

ModelInfo describe(const ModelConfig& config, const TensorStore& store) {
  ModelInfo info;
  info.family = config.model_type;
  info.device = "cpu";
  info.pictures_are_frames = config.prompt.pictures_are_frames;
  info.needs_instruction = !config.prompt.bos_alone;
  std::visit([&](const auto& vision) { describe_vision(vision, info); }, config.vision);
  if (config.qformer) describe_qformer(*config.qformer, info);
  info.vocabulary = static_cast<int>(vocabulary_of(config));
  info.stop_tokens = config.generation.eos;
  std::visit([&](const auto& text) { describe_language(text, info); }, config.text);
  for (const TensorEntry& entry : store.entries()) {
    info.tensors.push_back(
        {entry.name, std::string(instructblip::name_of(entry.dtype)), entry.shape, entry.file});
  }
  return info;
}

void warn_of_other_stop(const Tokenizer& tokenizer, const TextGenerationDefaults& generation) {
  const std::vector<std::int32_t>& stops = generation.eos;
  const auto eos = tokenizer.eos();
  if (!eos || std::ranges::find(stops, *eos) != stops.end()) return;
  log_warning("the tokenizer's end token is " + std::to_string(*eos) + ", but " +
              generation.source +
              " does not name it in eos_token_id: answers stop as that says, "
              "as the reference's do; stop_at_tokenizer_eos stops at both");
}

}  // namespace

Pipeline Pipeline::load(const std::filesystem::path& checkpoint_dir, const LoadOptions& options) {
  Stopwatch watch;
  try {
    check_options(options);
    const ModelConfig config = read_model_config(checkpoint_dir);
    const ImageConfig image_config = read_image_config(checkpoint_dir, config.image_processor);
    auto store = std::make_shared<const TensorStore>(TensorStore::open(
        checkpoint_dir, options.mmap ? MappedFile::Access::map : MappedFile::Access::copy,
        config.renames));
    check_plausible(config, *store);
    PromptBuilder prompts(checkpoint_dir, config, vocabulary_of(config));
    warn_of_other_stop(prompts.tokenizer(), config.generation);

    ModelInfo info = describe(config, *store);
    info.image_height = static_cast<int>(image_config.height);
    info.image_width = static_cast<int>(image_config.width);
    info.threads = threads_for(options, *store);
    info.precision = name_of(held_as(options.precision));

    auto compute = std::make_unique<nn::ComputeThread>(info.threads);
    nn::WeightLoader loader(store, held_as(options.precision),
                            options.weights ? nn::Values::read : nn::Values::leave,
                            options.progress);
    auto stages = compute->run([&] {
      return std::make_unique<const Stages>(
          loader.root(), config,
          VisionEncoder::PixelSize{image_config.height, image_config.width,
                                   options.interpolate_pos_encoding});
    });
    loader.finish();
    info.parameters = loader.parameters();
    info.weight_bytes = loader.bytes();
    info.image_positions = static_cast<int>(stages->vision->positions());
    if (!options.weights) stages.reset();
    log_info(printable(checkpoint_dir.string()) + ": " + info.family + " with " +
             info.language_model + ", weights held as " + info.precision + " on " + info.device +
             ", threads: " + std::to_string(info.threads));
    info.load_ms = watch.lap_ms();
    return Pipeline(std::make_unique<const Impl>(
        Impl{std::move(info), config.generation, ImageProcessor(image_config, options.resize),
             std::move(prompts), std::move(compute), std::move(stages)}));
  } catch (const std::bad_alloc&) {
    throw Error(ErrorCode::out_of_memory,
                printable(checkpoint_dir.string()) + ": out of memory while loading");
  }
}

}  // namespace instructblip
