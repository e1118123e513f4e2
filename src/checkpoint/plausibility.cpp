#include "checkpoint/plausibility.h"

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

constexpr std::string_view kWholeModel = "give the directory of the whole InstructBLIP model";
constexpr std::array<Stranger, 9> kStrangers = {{
    {"vision_tower.", "this is a LLaVA checkpoint, not an InstructBLIP one", kWholeModel},
    {"model.vision_tower.", "this is a LLaVA checkpoint, not an InstructBLIP one", kWholeModel},
    {"Qformer.", "these are LAVIS names",
     "convert the checkpoint to the Hugging Face layout first"},
    {"visual_encoder.", "these are LAVIS names",
     "convert the checkpoint to the Hugging Face layout first"},
    {"model.decoder.layers.", "this is a language model alone, not an InstructBLIP checkpoint",
     kWholeModel},
    {"model.layers.", "this is a language model alone, not an InstructBLIP checkpoint",
     kWholeModel},
    {"encoder.block.", "this is a language model alone, not an InstructBLIP checkpoint",
     kWholeModel},
    {"decoder.block.", "this is a language model alone, not an InstructBLIP checkpoint",
     kWholeModel},
    {"bert.", "this is a BERT model, not an InstructBLIP checkpoint", kWholeModel},
}};

// All four stages must have tensors; else these are not the weights of such a model.
void check_kind(const TensorStore& tensors) {
  std::vector<std::string> absent;
  for (const char* prefix : {"vision_model.", "qformer.", "query_tokens", "language_model."}) {
    if (!has_prefix(tensors, prefix)) absent.push_back(std::string(prefix) + "*");
  }
  if (absent.empty()) return;
  for (const Stranger& stranger : kStrangers) {
    if (!has_prefix(tensors, stranger.prefix)) continue;
    throw Error(ErrorCode::bad_model,
                "the weights have tensors named " + quote(std::string(stranger.prefix) + "*") +
                    " and none named " + braced(absent) + ": " + std::string(stranger.what),
                std::string(stranger.hint));
  }
  throw Error(ErrorCode::bad_model,
              "the weights have no tensors named " + braced(absent) +
                  ", which every InstructBLIP checkpoint has",
              "are the files of one part of the model missing?");
}

// BLIP-2's Q-Former takes queries alone: it has a bare norm where the word embeddings would be.
void check_qformer_kind(const TensorStore& tensors) {
  if (has_prefix(tensors, "qformer.embeddings.") || !has_prefix(tensors, "qformer.layernorm.")) {
    return;
  }
  throw Error(ErrorCode::bad_model,
              "the Q-Former has no qformer.embeddings.*: this is a BLIP-2 checkpoint, not an "
              "InstructBLIP one",
              "InstructBLIP's Q-Former reads the instruction; use a checkpoint of that model");
}

void check_language_kind(const ModelConfig& config, const TensorStore& tensors) {
  const bool t5 = std::holds_alternative<T5Config>(config.text);
  const bool has_t5 = has_prefix(tensors, "language_model.encoder.block.");
  const bool has_llama = has_prefix(tensors, "language_model.model.layers.");
  if (t5 ? has_t5 || !has_llama : has_llama || !has_t5) return;
  throw Error(ErrorCode::bad_model,
              std::string("config.json: text_config describes a ") + (t5 ? "T5" : "LLaMA") +
                  " language model, but the weights hold a " + (t5 ? "LLaMA" : "T5") + " one",
              "config.json and the weights are of two checkpoints");
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
constexpr const char* kOtherConfig = "config.json and the weights are of two checkpoints";

// In the order in which one explains the next.
std::vector<Probe> probes_of(const ModelConfig& config) {
  const VisionConfig& v = config.vision;
  const QFormerConfig& q = config.qformer;
  std::vector<Probe> probes = {
      {"vision_model.embeddings.class_embedding",
       {1, 1, v.hidden},
       "vision_config.hidden_size",
       kOtherConfig},
      {"vision_model.embeddings.patch_embedding.weight",
       {v.hidden, 3, v.patch_size, v.patch_size},
       "vision_config.hidden_size and patch_size",
       kOtherConfig},
      {"vision_model.embeddings.position_embedding",
       {1, v.positions(), v.hidden},
       "vision_config.image_size, patch_size and hidden_size",
       "is image_size that of another resolution of this model?"},
      {"query_tokens",
       {1, q.queries, q.hidden},
       "num_query_tokens, qformer_config.hidden_size",
       kOtherConfig},
      {"qformer.embeddings.word_embeddings.weight",
       {q.vocabulary, q.hidden},
       "qformer_config.vocab_size and hidden_size",
       kOtherConfig},
      {"qformer.encoder.layer.0.attention.attention.query.weight",
       {q.hidden, q.hidden},
       "qformer_config.hidden_size",
       kOtherConfig},
      {"qformer.encoder.layer.0.crossattention.attention.key.weight",
       {q.hidden, v.hidden},
       "qformer_config.hidden_size, vision_config.hidden_size",
       kOtherEncoder},
  };
  if (const auto* t5 = std::get_if<T5Config>(&config.text)) {
    probes.push_back({"language_projection.weight",
                      {t5->hidden, q.hidden},
                      "text_config.d_model, qformer_config.hidden_size",
                      kOtherLanguage});
    probes.push_back({"language_model.shared.weight",
                      {t5->vocabulary, t5->hidden},
                      "text_config.vocab_size and d_model",
                      kOtherLanguage});
  } else {
    const auto& llama = std::get<LlamaConfig>(config.text);
    probes.push_back({"language_projection.weight",
                      {llama.hidden, q.hidden},
                      "text_config.hidden_size, qformer_config.hidden_size",
                      kOtherLanguage});
    probes.push_back({"language_model.model.embed_tokens.weight",
                      {llama.vocabulary, llama.hidden},
                      "text_config.vocab_size and hidden_size",
                      kOtherLanguage});
  }
  return probes;
}

void check_widths(const ModelConfig& config, const TensorStore& tensors) {
  Findings findings;
  std::string hint;
  for (const Probe& probe : probes_of(config)) {
    const TensorEntry* entry = tensors.find(probe.name);
    if (entry == nullptr || entry->shape == probe.expected) continue;
    findings.add(printable(entry->file) + ": " + probe.name + " has shape " +
                 to_string(entry->shape) + ", expected " + to_string(probe.expected) + " (" +
                 probe.widths + ")");
    if (hint.empty()) hint = probe.hint;
  }
  findings.throw_if_any(ErrorCode::bad_model, "the weights do not fit config.json", hint);
}

double elements_of(const VisionConfig& c) {
  const auto width = static_cast<double>(c.hidden);
  const auto patch = static_cast<double>(c.patch_size);
  return static_cast<double>(c.positions()) * width + width * 3 * patch * patch +
         static_cast<double>(c.layers) * width *
             (4 * width + 2 * static_cast<double>(c.feed_forward));
}

double elements_of(const QFormerConfig& c) {
  const auto width = static_cast<double>(c.hidden);
  const auto rows = static_cast<double>(c.queries + c.vocabulary + c.max_positions);
  const double self = 4 * width * width + 4 * width * static_cast<double>(c.feed_forward);
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

// Far too large only: a checkpoint that lacks a few tensors is better told which.
void check_size(const ModelConfig& config, const TensorStore& tensors) {
  double present = 0;
  for (const TensorEntry& entry : tensors.entries()) {
    present += static_cast<double>(entry.bytes.size() / size_of(entry.dtype));
  }
  const double expected = estimated_elements(config);
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
  const double text = std::visit([](const auto& part) { return elements_of(part); }, config.text);
  return elements_of(config.vision) + elements_of(config.qformer) + text;
}

void check_plausible(const ModelConfig& config, const TensorStore& tensors) {
  check_kind(tensors);
  check_qformer_kind(tensors);
  check_language_kind(config, tensors);
  check_widths(config, tensors);
  check_size(config, tensors);
}

}  // namespace instructblip
