#include "conversion/plan.h"

#include <algorithm>
#include <string>
#include <system_error>
#include <utility>

#include "adapters/tensor_names.h"
#include "config/image_config.h"
#include "config/retrieval_config.h"
#include "core/errors.h"
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

VisionEncoder::PixelSize pixel_size(const fs::path& directory, const ImageProcessorRules& rules) {
  const ImageConfig config = read_image_config(directory, rules);
  return {config.height, config.width, true};
}

// How a checkpoint is read for its plan.
struct PlanOptions {
  const LoadOptions& load;
  WrittenFor whom;
  const nn::ChooseFormat& choose;
};

// The tensors that `build` asks for.
template <typename Build>
std::vector<PlannedTensor> needed(const Store& store, const PlanOptions& how,
                                  const TensorNames& names, const Build& build) {
  nn::Runtime runtime;
  nn::WeightLoader loader(
      runtime, store,
      {.values = nn::Values::leave,
       .unread = how.load.ignore_unexpected ? nn::Unread::leave : nn::Unread::refuse,
       .choose_format = how.choose});
  runtime.run([&] { build(loader.root()); });
  loader.finish();
  std::vector<PlannedTensor> tensors;
  for (const TensorEntry* entry : loader.needed()) {
    if (!is_weight_dtype(entry->dtype)) continue;
    PlannedTensor& tensor = tensors.emplace_back(PlannedTensor{*entry, {}});
    tensor.entry.name = names.written(entry->name);
    const auto held = loader.held().find(entry->name);
    if (how.choose && held != loader.held().end()) tensor.held = held->second;
  }
  return tensors;
}

const PlannedTensor* find(const std::vector<PlannedTensor>& tensors, std::string_view name) {
  const auto found = std::ranges::find_if(
      tensors, [&](const PlannedTensor& tensor) { return tensor.entry.name == name; });
  return found == tensors.end() ? nullptr : &*found;
}

// T5's words are stored under any of three names, of which transformers fills the others from the
// first; and where a head of its own is missing, it would draw one.
void settle_words(const T5Config& config, WrittenFor whom, std::vector<PlannedTensor>& tensors) {
  for (PlannedTensor& tensor : tensors) {
    if (tensor.entry.name.ends_with("coder.embed_tokens.weight")) tensor.entry.name = kWords;
  }
  const PlannedTensor* words = find(tensors, kWords);
  if (whom == WrittenFor::this_library || config.tie_word_embeddings || words == nullptr ||
      find(tensors, kHead) != nullptr) {
    return;
  }
  PlannedTensor head = *words;
  head.entry.name = kHead;
  tensors.push_back(std::move(head));
}

std::int64_t vocabulary_of(const ModelConfig& config) {
  return std::visit([](const auto& text) { return text.vocabulary; }, config.text);
}

void say_words(const QFormerConfig& config, std::int64_t described, Json::Edits& edits) {
  if (config.vocabulary == described) return;
  edits.push_back({{"qformer_config", "vocab_size"}, std::to_string(config.vocabulary)});
}

Plan plan_of_answers(const fs::path& directory, const PlanOptions& how) {
  ModelConfig config = read_model_config(directory);
  const std::int64_t described = vocabulary_of(config);
  const std::int64_t words = config.qformer ? config.qformer->vocabulary : 0;
  Plan plan{open_weights(directory, how.load, config), {}, {}};
  const VisionEncoder::PixelSize size = pixel_size(directory, config.image_processor);
  plan.tensors = needed(plan.store, how, TensorNames(config),
                        [&](const nn::Weights& root) { Stages(root, config, size); });
  if (const auto* t5 = std::get_if<T5Config>(&config.text))
    settle_words(*t5, how.whom, plan.tensors);
  if (vocabulary_of(config) != described) {
    plan.edits.push_back({{"text_config", "vocab_size"}, std::to_string(vocabulary_of(config))});
  }
  if (config.qformer) say_words(*config.qformer, words, plan.edits);
  return plan;
}

Plan plan_of_retrieval(const fs::path& directory, const PlanOptions& how) {
  RetrievalConfig config = read_retrieval_config(directory);
  const std::int64_t words = config.qformer.vocabulary;
  Plan plan{open_weights(directory, how.load, config), {}, {}};
  say_words(config.qformer, words, plan.edits);
  const VisionEncoder::PixelSize size = pixel_size(directory, config.image_processor);
  plan.tensors = needed(plan.store, how, TensorNames(config),
                        [&](const nn::Weights& root) { RetrievalStages(root, config, size); });
  return plan;
}

}  // namespace

Plan checked_plan(const fs::path& directory, LoadOptions options, WrittenFor whom,
                  const nn::ChooseFormat& choose) {
  if (options.compat != Compat::hf) {
    throw Error(ErrorCode::invalid_argument,
                "compat: weights are written as they are, expected none",
                "give it where the directory is loaded");
  }
  options.weights = false;
  options.interpolate_pos_encoding = true;
  options.progress = {};
  const PlanOptions how{options, whom, choose};
  if (is_retrieval_config(directory)) {
    load_matcher(directory, options);
    return plan_of_retrieval(directory, how);
  }
  load_pipeline(directory, options);
  return plan_of_answers(directory, how);
}

void check_room(const fs::path& directory, std::int64_t bytes) {
  std::error_code unknown;
  const fs::space_info space = fs::space(directory, unknown);
  if (unknown || space.available >= static_cast<std::uintmax_t>(bytes)) return;
  throw Error(ErrorCode::io,
              printable(directory.parent_path().string()) + ": weights of " +
                  std::to_string(bytes) + " bytes, but the file system has room for " +
                  std::to_string(space.available),
              "make room, or write elsewhere");
}

void write_values(const TensorEntry& entry, const Store& store, DType dtype, const ByteSink& sink) {
  if (!entry.recipe && !entry.scales && entry.dtype == dtype) {
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

}  // namespace instructblip
