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

// What can be told from one tensor: its shape follows from a few widths of config.json.
struct Probe {
  const char* name;
  Shape expected;
  const char* widths;  // the config keys behind the shape
  const char* hint;
};

constexpr const char* kOtherEncoder = "is this the Q-Former of another vision encoder?";
constexpr const char* kOtherLanguage = "is this the language model of another size?";
constexpr const char* kUngathered =
    "tensors without elements are what DeepSpeed's stage 3 saves unless it gathers them: put its "
    "shards together with zero_to_fp32.py";
constexpr const char* kOtherConfig = "config.json and the weights are of two checkpoints";

// Probes of the projection, whose rows are `rows` wide, and of the embedding.
std::array<Probe, 2> language_probes(const T5Config& c, std::int64_t rows) {
  return {{{"language_projection.weight",
            {c.hidden, rows},
            "text_config.d_model, qformer_config.hidden_size",
            kOtherLanguage},
           {"language_model.shared.weight",
            {c.vocabulary, c.hidden},
            "text_config.vocab_size and d_model",
            kOtherLanguage}}};
}

std::array<Probe, 2> language_probes(const LlamaConfig& c, std::int64_t rows) {
  return {{{"language_projection.weight",
            {c.hidden, rows},
            "text_config.hidden_size, qformer_config.hidden_size",
            kOtherLanguage},
           {"language_model.model.embed_tokens.weight",
            {c.vocabulary, c.hidden},
            "text_config.vocab_size and hidden_size",
            kOtherLanguage}}};
}

std::array<Probe, 2> language_probes(const OptConfig& c, std::int64_t rows) {
  return {{{"language_projection.weight",
            {c.hidden, rows},
            "text_config.hidden_size, qformer_config.hidden_size",
            kOtherLanguage},
           {"language_model.model.decoder.embed_tokens.weight",
            {c.vocabulary, c.embedding_width},
            "text_config.vocab_size and word_embed_proj_dim",
            kOtherLanguage}}};
}

void add_probes(const VitConfig& c, std::vector<Probe>& probes) {
  probes.push_back({"vision_model.embeddings.class_embedding",
                    {1, 1, c.hidden},
                    "vision_config.hidden_size",
                    kOtherConfig});
  probes.push_back({"vision_model.embeddings.patch_embedding.weight",
                    {c.hidden, 3, c.patch_size, c.patch_size},
                    "vision_config.hidden_size and patch_size",
                    kOtherConfig});
  probes.push_back({"vision_model.embeddings.position_embedding",
                    {1, c.positions(), c.hidden},
                    "vision_config.image_size, patch_size and hidden_size",
                    "is image_size that of another resolution of this model?"});
}

void add_probes(const ClipVisionConfig& c, std::vector<Probe>& probes) {
  probes.push_back({"vision_tower.embeddings.class_embedding",
                    {c.hidden},
                    "vision_config.hidden_size",
                    kOtherConfig});
  probes.push_back({"vision_tower.embeddings.patch_embedding.weight",
                    {c.hidden, 3, c.patch_size, c.patch_size},
                    "vision_config.hidden_size and patch_size",
                    kOtherConfig});
  probes.push_back({"vision_tower.embeddings.position_embedding.weight",
                    {c.positions(), c.hidden},
                    "vision_config.image_size, patch_size and hidden_size",
                    "is image_size that of another resolution of this model?"});
}

void add_probes(const QFormerConfig& c, std::vector<Probe>& probes) {
  probes.push_back({"query_tokens",
                    {1, c.queries, c.hidden},
                    "num_query_tokens, qformer_config.hidden_size",
                    kOtherConfig});
  if (c.reads_instruction) {
    probes.push_back({"qformer.embeddings.word_embeddings.weight",
                      {c.vocabulary, c.hidden},
                      "qformer_config.vocab_size and hidden_size",
                      kOtherConfig});
  }
  probes.push_back({"qformer.encoder.layer.0.attention.attention.query.weight",
                    {c.hidden, c.hidden},
                    "qformer_config.hidden_size",
                    kOtherConfig});
  probes.push_back({"qformer.encoder.layer.0.crossattention.attention.key.weight",
                    {c.hidden, c.encoder_hidden},
                    "qformer_config.hidden_size, vision_config.hidden_size",
                    kOtherEncoder});
}

// In the order in which one explains the next.
std::vector<Probe> probes_of(const ModelConfig& config) {
  std::vector<Probe> probes;
  std::visit([&](const auto& vision) { add_probes(vision, probes); }, config.vision);
  std::int64_t rows = 0;
  if (config.qformer) {
    add_probes(*config.qformer, probes);
    rows = config.qformer->hidden;
  } else if (const auto* vision = std::get_if<ClipVisionConfig>(&config.vision)) {
    const std::int64_t width = std::visit([](const auto& c) { return c.hidden; }, config.text);
    probes.push_back({"multi_modal_projector.linear_1.weight",
                      {width, vision->width()},
                      "text_config.hidden_size, vision_config.hidden_size and vision_feature_layer",
                      kOtherLanguage});
  }
  for (const Probe& probe :
       std::visit([&](const auto& text) { return language_probes(text, rows); }, config.text)) {
    probes.push_back(probe);
  }
  return probes;
}

std::vector<Probe> probes_of(const RetrievalConfig& config) {
  std::vector<Probe> probes;
  add_probes(config.vision, probes);
  add_probes(config.qformer, probes);
  probes.push_back({"text_projection.weight",
                    {config.shared_width, config.qformer.hidden},
                    "image_text_hidden_size, qformer_config.hidden_size",
                    kOtherConfig});
  return probes;
}

void check_widths(const std::vector<Probe>& probes, const TensorStore& tensors) {
  Findings findings;
  std::string hint;
  for (const Probe& probe : probes) {
    const TensorEntry* entry = tensors.find(probe.name);
    if (entry == nullptr || entry->shape == probe.expected) continue;
    findings.add(printable(entry->file) + ": " + probe.name + " has shape " +
                 to_string(entry->shape) + ", expected " + to_string(probe.expected) + " (" +
                 probe.widths + ")");
    if (hint.empty()) hint = checked_elements(entry->shape) == 0 ? kUngathered : probe.hint;
  }
  findings.throw_if_any(ErrorCode::bad_model, "the weights do not fit config.json", hint);
}

double elements_of(const VitConfig& c) {
  const auto width = static_cast<double>(c.hidden);
  const auto patch = static_cast<double>(c.patch_size);
  return static_cast<double>(c.positions()) * width + width * 3 * patch * patch +
         static_cast<double>(c.layers) * width *
             (4 * width + 2 * static_cast<double>(c.feed_forward));
}

double elements_of(const ClipVisionConfig& c) {
  const auto width = static_cast<double>(c.hidden);
  const auto patch = static_cast<double>(c.patch_size);
  const auto layers = static_cast<double>(std::ranges::max(c.feature_layers));
  return static_cast<double>(c.positions()) * width + width * 3 * patch * patch +
         layers * width * (4 * width + 2 * static_cast<double>(c.feed_forward));
}

double elements_of(const QFormerConfig& c) {
  const auto width = static_cast<double>(c.hidden);
  const auto rows = static_cast<double>(c.queries) +
                    (c.reads_instruction ? static_cast<double>(c.vocabulary + c.max_positions) : 0);
  const double self = 4 * width * width +
                      (c.reads_instruction ? 4 : 2) * width * static_cast<double>(c.feed_forward);
  const double cross = 2 * width * (width + static_cast<double>(c.encoder_hidden));
  const auto crossed =
      static_cast<double>((c.layers + c.cross_attention_every - 1) / c.cross_attention_every);
  return rows * width + static_cast<double>(c.layers) * self + crossed * cross;
}

double elements_of(const T5Config& c) {
  const auto width = static_cast<double>(c.hidden);
  const double attention = 4 * width * static_cast<double>(c.heads * c.key_value);
  const double feed_forward = (c.gated ? 3 : 2) * width * static_cast<double>(c.feed_forward);
  return static_cast<double>(c.vocabulary) * width +
         static_cast<double>(c.encoder_layers) * (attention + feed_forward) +
         static_cast<double>(c.decoder_layers) * (2 * attention + feed_forward);
}

double elements_of(const LlamaConfig& c) {
  const auto width = static_cast<double>(c.hidden);
  const double attention =
      2 * width * static_cast<double>((c.heads + c.key_value_heads) * c.head_dim);
  const double feed_forward = 3 * width * static_cast<double>(c.feed_forward);
  return static_cast<double>(c.vocabulary) * width +
         static_cast<double>(c.layers) * (attention + feed_forward);
}

double elements_of(const OptConfig& c) {
  const auto width = static_cast<double>(c.hidden);
  return static_cast<double>(c.vocabulary) * static_cast<double>(c.embedding_width) +
         static_cast<double>(c.max_positions) * width +
         static_cast<double>(c.layers) * width *
             (4 * width + 2 * static_cast<double>(c.feed_forward));
}

// Far too large only: a checkpoint that lacks a few tensors is better told which.
void check_size(double expected, const TensorStore& tensors) {
  double present = 0;
  for (const TensorEntry& entry : tensors.entries()) {
    present += static_cast<double>(checked_elements(entry.shape).value());
  }
  constexpr double kTolerated = 2.0;
  if (expected <= kTolerated * present) return;
  throw Error(ErrorCode::bad_model,
              "config.json describes a model of at least " +
                  std::to_string(static_cast<std::int64_t>(std::min(expected, 9e18))) +
                  " parameters, but the weights hold " +
                  std::to_string(static_cast<std::int64_t>(present)),
              "is config.json that of another model, or are shards missing?");
}

}  // namespace

double estimated_elements(const ModelConfig& config) {
  const auto count = [](const auto& part) { return elements_of(part); };
  return std::visit(count, config.vision) + (config.qformer ? elements_of(*config.qformer) : 0) +
         std::visit(count, config.text);
}

void check_plausible(const ModelConfig& config, const TensorStore& tensors) {
  check_kind(config, tensors);
  check_qformer_kind(config, tensors);
  check_language_kind(config, tensors);
  check_widths(probes_of(config), tensors);
  check_size(estimated_elements(config), tensors);
}

void check_plausible(const RetrievalConfig& config, const TensorStore& tensors) {
  check_kind(config, tensors);
  check_widths(probes_of(config), tensors);
  check_size(elements_of(config.vision) + elements_of(config.qformer), tensors);
}

}  // namespace instructblip
