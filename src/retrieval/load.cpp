// From a checkpoint directory to a matcher.
#include <new>
#include <string>
#include <utility>

#include "adapters/plausibility.h"
#include "config/image_config.h"
#include "config/lavis.h"
#include "config/processor_config.h"
#include "config/retrieval_config.h"
#include "core/errors.h"
#include "core/log.h"
#include "core/stopwatch.h"
#include "loading/loading.h"
#include "retrieval/loaded_matcher.h"
#include "text/text_checks.h"

namespace instructblip {
namespace {

ModelInfo describe(const RetrievalConfig& config, const ImageProcessor& image_processor) {
  ModelInfo info;
  info.family = config.model_type;
  info.needs_instruction = false;
  info.shared_width = static_cast<int>(config.shared_width);
  describe_pixels(image_processor, info);
  describe_vision(config.vision, info);
  describe_qformer(config.qformer, info);
  return info;
}

}  // namespace

std::shared_ptr<const ImageTextMatcher::Impl> load_matcher(
    const std::filesystem::path& checkpoint_dir, const LoadOptions& asked) {
  Stopwatch watch;
  try {
    const LoadOptions options = as_written(checkpoint_dir, asked);
    check_options(options);
    RetrievalConfig config = read_retrieval_config(checkpoint_dir);
    if (options.compat == Compat::lavis) follow_lavis(config);
    const ImageConfig image_config =
        image_config_of(checkpoint_dir, options, config.image_processor);
    check_processor_config(checkpoint_dir, config, image_config);
    const auto store = open_weights(checkpoint_dir, options, config);
    check_plausible(config, *store);
    auto tokenizer = load_tokenizer(checkpoint_dir, TokenizerKind::bert);
    const WordTable words{"Q-Former", "qformer_config.vocab_size", config.qformer.vocabulary};
    check_table(*tokenizer, words, /*warns=*/true, kImageMarker);

    ImageProcessor image_processor(image_config, options.resize);
    ModelInfo info = describe(config, image_processor);
    describe_weights(options, *store, info);
    auto runtime = make_runtime(options, info);
    const VisionEncoder::PixelSize pixels{image_config.height, image_config.width,
                                          options.interpolate_pos_encoding};
    auto stages = build_stages(
        store, read_as(options, config.rounded_to), *runtime, info, [&](const nn::Weights& root) {
          return std::make_unique<const RetrievalStages>(root, config, pixels);
        });
    info.image_positions = static_cast<int>(stages->vision().positions());
    if (!options.weights) stages.reset();
    log_info(printable(checkpoint_dir.string()) + ": " + info.family +
             " for retrieval, weights held as " + info.precision + " on " + info.device +
             ", threads: " + std::to_string(info.threads));
    info.load_ms = watch.lap_ms();
    return make_matcher({std::move(info), std::move(image_processor), std::move(tokenizer), words,
                         config.text_limit, config.qformer.max_positions, std::move(runtime),
                         std::move(stages)});
  } catch (const std::bad_alloc&) {
    throw Error(ErrorCode::out_of_memory,
                printable(checkpoint_dir.string()) + ": out of memory while loading");
  }
}

}  // namespace instructblip
