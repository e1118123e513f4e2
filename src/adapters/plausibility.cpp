#include "adapters/plausibility.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include "core/errors.h"

namespace instructblip {
namespace {

bool has_prefix(const TensorStore& tensors, std::string_view prefix) {
  const auto entries = tensors.entries();
  const auto found = std::lower_bound(
      entries.begin(), entries.end(), prefix,
      [](const TensorEntry& entry, std::string_view wanted) { return entry.name < wanted; });
  return found != entries.end() && found->name.starts_with(prefix);
}

// A checkpoint of something else, recognised by a name that only it has.
struct Stranger {
  std::string_view prefix;
  std::string_view what;
  std::string_view hint;
};

constexpr std::string_view kWholeModel = "give the directory of the whole model";
constexpr std::string_view kOwnLlava =
    "lay them over the directory of a LLaVA model of transformers (--overlay)";
// Files of LAVIS leave frozen parts out, and LAVIS reads them from elsewhere.
constexpr std::string_view kNoLanguage =
    "give the language model's own directory as well (--language-model)";
constexpr std::string_view kNoVision =
    "lay a file with the vision encoder over them (--overlay), such as LAVIS's eva_vit_g.pth";
constexpr std::string_view kMatcher = "load it with ImageTextMatcher: instructblip match";
constexpr std::string_view kAnswers = "load it with Pipeline: instructblip run";
constexpr std::array<Stranger, 11> kStrangers = {{
    {"language_model.", "this is a model that answers instructions", kAnswers},
    {"itm_head.", "this is a BLIP-2 model for retrieval", kMatcher},
    {"vision_tower.", "this is a LLaVA checkpoint", kWholeModel},
    {"model.vision_tower.", "this is a LLaVA checkpoint", kWholeModel},
    {"model.mm_projector.", "these are the names of LLaVA's own code", kOwnLlava},
    {"qformer.", "this is a checkpoint with a Q-Former", kWholeModel},
    {"model.decoder.layers.", "this is a language model alone", kWholeModel},
    {"model.layers.", "this is a language model alone", kWholeModel},
    {"encoder.block.", "this is a language model alone", kWholeModel},
    {"decoder.block.", "this is a language model alone", kWholeModel},
    {"bert.", "this is a BERT model", kWholeModel},
}};

// How the names of every stage's tensors begin.
std::vector<std::string_view> stages_of(const ModelConfig& config) {
  if (!config.qformer) return {"vision_tower.", "multi_modal_projector.", "language_model."};
  return {"vision_model.encoder.", "qformer.", "query_tokens", "language_model."};
}

std::vector<std::string_view> stages_of(const RetrievalConfig&) {
  return {"vision_model.encoder.", "qformer.",         "query_tokens",
          "vision_projection.",    "text_projection.", "itm_head."};
}

// What the weights have instead, so that whoever reads it can tell what was put before the names.
std::string names_of(const TensorStore& tensors) {
  constexpr std::size_t kShown = 3;
  const auto entries = tensors.entries();
  if (entries.empty()) return "; they have no tensors at all";
  std::string names;
  const std::size_t step = std::max<std::size_t>(1, entries.size() / kShown);
  for (std::size_t i = 0, count = 0; i < entries.size() && count < kShown; i += step, ++count) {
    names += (count == 0 ? "" : ", ") + quote(entries[i].name);
  }
  // Sorted: what the first and the last share all of them do.
  const std::string_view first = entries.front().name, last = entries.back().name;
  const auto ends = std::ranges::mismatch(first, last);
  const std::string_view common =
      first.substr(0, static_cast<std::size_t>(ends.in1 - first.begin()));
  const std::size_t dot = common.rfind('.');
  names = "; they have " + names + (entries.size() > kShown ? ", ..." : "");
  if (entries.size() == 1 || dot == std::string_view::npos) return names;
  return names + ", all behind " + quote(common.substr(0, dot + 1));
}

std::string hint_for(const std::vector<std::string>& absent,
                     const std::vector<std::string_view>& stages) {
  if (absent == std::vector<std::string>{"language_model.*"}) return std::string(kNoLanguage);
  if (absent == std::vector<std::string>{"vision_model.encoder.*"}) return std::string(kNoVision);
  if (absent.size() == stages.size()) {
    return "are these the weights of another model, or did other code put something before or "
           "inside the names? Save them under the names of transformers or LAVIS";
  }
  return "are the files of one part of the model missing?";
}

// All stages must have tensors; else these are not the weights of such a model.
template <typename Config>
void check_kind(const Config& config, const TensorStore& tensors) {
  const std::vector<std::string_view> stages = stages_of(config);
  std::vector<std::string> absent;
  for (const std::string_view prefix : stages) {
    if (!has_prefix(tensors, prefix)) absent.push_back(std::string(prefix) + "*");
  }
  if (absent.empty()) return;
  for (const Stranger& stranger : kStrangers) {
    if (!has_prefix(tensors, stranger.prefix)) continue;
    if (std::ranges::find(stages, stranger.prefix) != stages.end()) continue;
    throw Error(ErrorCode::bad_model,
                "the weights have tensors named " + quote(std::string(stranger.prefix) + "*") +
                    " and none named " + braced(absent) + ": " + std::string(stranger.what) +
                    ", expected an " + config.model_type + " checkpoint",
                std::string(stranger.hint));
  }
  throw Error(ErrorCode::bad_model,
              "the weights have no tensors named " + braced(absent) + ", which every " +
                  config.model_type + " checkpoint has" + names_of(tensors),
              hint_for(absent, stages));
}

// A Q-Former that takes queries alone, BLIP-2's, has a bare norm where the word embeddings would
// be.
void check_qformer_kind(const ModelConfig& config, const TensorStore& tensors) {
  if (!config.qformer) return;
  const bool reads = has_prefix(tensors, "qformer.embeddings.");
  const bool alone = has_prefix(tensors, "qformer.layernorm.");
  if (reads == alone || reads == config.qformer->reads_instruction) return;
  throw Error(ErrorCode::bad_model,
              "config.json describes an " + config.model_type + " model, whose Q-Former " +
                  (reads ? "has no words of its own" : "reads the instruction") +
                  ", but the one in the weights " +
                  (reads ? "has: qformer.embeddings.*" : "has no qformer.embeddings.*"),
              "config.json and the weights are of two checkpoints");
}

// In the order of the variant.
struct LanguageKind {
  std::string_view name;    // with its article
  std::string_view prefix;  // prefix of tensors that only it has
};
constexpr std::array<LanguageKind, std::variant_size_v<LanguageConfig>> kLanguageKinds = {{
    {"a T5", "language_model.encoder.block."},
    {"a LLaMA", "language_model.model.layers."},
    {"an OPT", "language_model.model.decoder.layers."},
}};

void check_language_kind(const ModelConfig& config, const TensorStore& tensors) {
  const LanguageKind& described = kLanguageKinds[config.text.index()];
  if (has_prefix(tensors, described.prefix)) return;
  for (const LanguageKind& kind : kLanguageKinds) {
    if (!has_prefix(tensors, kind.prefix)) continue;
    throw Error(ErrorCode::bad_model,
                "config.json: text_config describes " + std::string(described.name) +
                    " language model, but the weights hold " + std::string(kind.name) + " one",
                "config.json and the weights are of two checkpoints");
  }
}

}  // namespace

void check_plausible(const ModelConfig& config, const TensorStore& tensors) {
  check_kind(config, tensors);
  check_qformer_kind(config, tensors);
  check_language_kind(config, tensors);
}

void check_plausible(const RetrievalConfig& config, const TensorStore& tensors) {
  check_kind(config, tensors);
}

}  // namespace instructblip
