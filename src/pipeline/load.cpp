// From a checkpoint directory to a pipeline.
#include <algorithm>
#include <new>
#include <string>
#include <utility>

#include "adapters/plausibility.h"
#include "config/image_config.h"
#include "config/lavis.h"
#include "config/processor_config.h"
#include "core/errors.h"
#include "core/log.h"
#include "core/own_process.h"
#include "core/stopwatch.h"
#include "loading/loading.h"
#include "pipeline/assemble.h"
#include "pipeline/model.h"

namespace instructblip {
namespace {

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

ModelInfo describe(const ModelConfig& config) {
  ModelInfo info;
  info.family = config.model_type;
  info.pictures_are_frames = config.prompt.pictures_are_frames;
  info.needs_instruction = !config.prompt.optional;
  std::visit([&](const auto& vision) { describe_vision(vision, info); }, config.vision);
  if (config.qformer) describe_qformer(*config.qformer, info);
  info.vocabulary = static_cast<int>(vocabulary_of(config));
  info.stop_tokens = config.generation.eos;
  std::visit([&](const auto& text) { describe_language(text, info); }, config.text);
  return info;
}

// LAVIS resizes the vocabulary of LLaMA to its tokenizer's, whose last token is the padding that it
// adds: rows behind it, such as the image token's, are not there to answer with.
void limit_answers(LanguageConfig& text, const Tokenizer& tokenizer) {
  auto* const llama = std::get_if<LlamaConfig>(&text);
  const auto padding = tokenizer.id_of("[PAD]");
  if (llama != nullptr && padding && *padding < llama->vocabulary) {
    llama->answer_rows = *padding + 1;
  }
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

std::string positions_limit_of(const ModelConfig& config, const std::filesystem::path& directory) {
  const auto* const llama = std::get_if<LlamaConfig>(&config.text);
  if (llama == nullptr || !llama->window) return "as many as the language model has";
  return "the window of attention of " + printable((directory / "config.json").string()) +
         " (text_config.sliding_window): texts beyond it are not run here";
}

}  // namespace

ModelParts assemble(ModelSources sources, const LoadOptions& options) {
  const ModelConfig& config = sources.config;
  ModelInfo info = describe(config);
  describe_weights(options, *sources.weights, info);
  ImageProcessor image_processor(sources.image, options.resize);
  describe_pixels(image_processor, info);

  auto runtime = make_runtime(options, info);
  const VisionEncoder::PixelSize pixels{sources.image.height, sources.image.width,
                                        options.interpolate_pos_encoding};
  auto stages = build_stages(sources.weights, read_as(options, config.rounded_to), *runtime, info,
                             [&](const nn::Weights& root) {
                               return std::make_unique<const Stages>(root, config, pixels);
                             });
  const PictureGeometry geometry(config, pixels);
  info.image_positions = static_cast<int>(geometry.positions());
  if (!options.weights) stages.reset();
  auto reader = stages ? std::make_unique<ImageReader>(*runtime, *stages, image_processor.values(),
                                                       options.cache_bytes)
                       : nullptr;
  return {.info = std::move(info),
          .generation_defaults = config.generation,
          .image_processor = std::move(image_processor),
          .geometry = geometry,
          .prompts = std::move(sources.prompts),
          .runtime = std::move(runtime),
          .stages = std::move(stages),
          .reader = std::move(reader),
          .positions_limit = std::move(sources.positions_limit)};
}

std::shared_ptr<const Pipeline::Impl> load_pipeline(const std::filesystem::path& checkpoint_dir,
                                                    const LoadOptions& asked) {
  Stopwatch watch;
  try {
    const LoadOptions options = as_written(checkpoint_dir, asked);
    check_options(options);
    ModelConfig config = read_model_config(checkpoint_dir);
    if (options.compat == Compat::lavis) follow_lavis(config);
    const ImageConfig image_config =
        image_config_of(checkpoint_dir, options, config.image_processor);
    check_processor_config(checkpoint_dir, config, image_config);
    const auto store = open_weights(checkpoint_dir, options, config);
    check_plausible(config, *store);
    PromptBuilder prompts(checkpoint_dir, config, vocabulary_of(config));
    if (options.compat == Compat::lavis) limit_answers(config.text, prompts.tokenizer());
    if (config.prompt.newline_ends) config.generation.eos = {*prompts.end_token()};
    if (options.compat == Compat::hf) warn_of_other_stop(prompts.tokenizer(), config.generation);

    std::string limit = positions_limit_of(config, checkpoint_dir);
    ModelParts model = assemble(
        {std::move(config), image_config, store, std::move(prompts), std::move(limit)}, options);
    model.info.load_ms = watch.lap_ms();
    const ModelInfo& info = model.info;
    log_info(printable(checkpoint_dir.string()) + ": " + info.family + " with " +
             info.language_model + ", weights held as " + info.precision + " on " + info.device +
             ", threads: " + std::to_string(info.threads));
    return {std::shared_ptr<const Model>(new Model(std::move(model)), DeleteInOwnProcess())};
  } catch (const std::bad_alloc&) {
    throw Error(ErrorCode::out_of_memory,
                printable(checkpoint_dir.string()) + ": out of memory while loading");
  }
}

}  // namespace instructblip
