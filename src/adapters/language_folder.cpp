#include "adapters/language_folder.h"

#include <algorithm>
#include <array>
#include <locale>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "config/config_section.h"
#include "config/own_llava.h"
#include "config/text_config.h"
#include "core/errors.h"
#include "core/file.h"
#include "core/json.h"
#include "core/log.h"

namespace instructblip {
namespace {

// What a difference means: the weights would be computed with in another way than theirs, which is
// an error; or they may be those of another version.
enum class Differs { in_computation, in_version };

// A key of config.json that no shape of a tensor tells, as both files have it.
struct Trait {
  std::string key;
  bool same;
  std::string own, described;
  Differs differs;
};

std::string shown(double value) {
  std::ostringstream out;
  out.imbue(std::locale::classic());
  out << value;
  return out.str();
}
std::string shown(std::int64_t value) { return std::to_string(value); }
std::string shown(std::int32_t value) { return std::to_string(value); }
std::string shown(const std::string& text) { return text; }
std::string shown(bool value) { return value ? "true" : "false"; }
std::string shown(std::optional<std::int32_t> id) { return id ? std::to_string(*id) : "none"; }
std::string shown(std::optional<std::int64_t> count) {
  return count ? std::to_string(*count) : "none";
}
std::string shown(const std::vector<std::int32_t>& ids) {
  if (ids.size() == 1) return std::to_string(ids[0]);
  std::vector<std::string> items;
  items.reserve(ids.size());
  for (const std::int32_t id : ids) items.push_back(std::to_string(id));
  return ids.empty() ? "none" : braced(items);
}
std::string shown(Activation activation) {
  switch (activation) {
    case Activation::gelu:
      return "gelu";
    case Activation::gelu_new:
      return "gelu_new";
    case Activation::linear:
      return "linear";
    case Activation::quick_gelu:
      return "quick_gelu";
    case Activation::relu:
      return "relu";
    case Activation::silu:
      return "silu";
  }
  return "another";
}

std::string shown(const RopeScaling& scaling) {
  const std::string by = " by " + shown(scaling.factor);
  const std::string beyond = " beyond " + std::to_string(scaling.original_positions);
  switch (scaling.type) {
    case RopeScaling::Type::none:
      return "none";
    case RopeScaling::Type::linear:
      return "linear" + by;
    case RopeScaling::Type::dynamic:
      return "dynamic" + by + beyond;
    case RopeScaling::Type::llama3:
      return "llama3" + by + beyond + " (low " + shown(scaling.low_factor) + ", high " +
             shown(scaling.high_factor) + ")";
  }
  return "another";
}

template <typename T>
Trait trait(std::string key, const T& own, const T& described, Differs differs) {
  return {std::move(key), own == described, shown(own), shown(described), differs};
}

// Rows of the comparison of two configs of one kind.
template <typename Config>
class Comparison {
 public:
  Comparison(const Config& own, const Config& described) : own_(own), described_(described) {}

  template <typename T>
  Comparison& row(std::string key, T Config::*member, Differs differs) {
    rows_.push_back(trait(std::move(key), own_.*member, described_.*member, differs));
    return *this;
  }
  Comparison& row(Trait more) {
    rows_.push_back(std::move(more));
    return *this;
  }
  std::vector<Trait> rows() { return std::move(rows_); }

 private:
  const Config& own_;
  const Config& described_;
  std::vector<Trait> rows_;
};

constexpr Differs kComputation = Differs::in_computation;
constexpr Differs kVersion = Differs::in_version;

// tie_word_embeddings of T5 means two things, and which version wrote it decides on the first, the
// head; whether its input is scaled says enough.
std::vector<Trait> traits_of(const T5Config& own, const T5Config& described) {
  const auto projection = [](const T5Config& c) {
    return (c.gated ? "gated-" : "") + shown(c.activation);
  };
  return Comparison(own, described)
      .row("num_layers", &T5Config::encoder_layers, kComputation)
      .row("num_decoder_layers", &T5Config::decoder_layers, kComputation)
      .row("d_model", &T5Config::hidden, kComputation)
      .row("d_ff", &T5Config::feed_forward, kComputation)
      .row("num_heads", &T5Config::heads, kComputation)
      .row("d_kv", &T5Config::key_value, kComputation)
      .row(trait("feed_forward_proj", projection(own), projection(described), kComputation))
      .row("relative_attention_num_buckets", &T5Config::relative_buckets, kComputation)
      .row("tie_word_embeddings", &T5Config::scale_decoder_output, kComputation)
      .row("relative_attention_max_distance", &T5Config::relative_max_distance, kVersion)
      .row("layer_norm_epsilon", &T5Config::layer_norm_eps, kVersion)
      .row("decoder_start_token_id", &T5Config::decoder_start, kVersion)
      .rows();
}

// Vicuna v1.1, of InstructBLIP, has an epsilon of 1e-6 and Vicuna v1.5, of LLaVA 1.5, one of 1e-5.
std::vector<Trait> traits_of(const LlamaConfig& own, const LlamaConfig& described) {
  return Comparison(own, described)
      .row("num_hidden_layers", &LlamaConfig::layers, kComputation)
      .row("hidden_size", &LlamaConfig::hidden, kComputation)
      .row("intermediate_size", &LlamaConfig::feed_forward, kComputation)
      .row("num_attention_heads", &LlamaConfig::heads, kComputation)
      .row("num_key_value_heads", &LlamaConfig::key_value_heads, kComputation)
      .row("head_dim", &LlamaConfig::head_dim, kComputation)
      .row("hidden_act", &LlamaConfig::activation, kComputation)
      .row("rope_scaling", &LlamaConfig::rope_scaling, kComputation)
      .row("tie_word_embeddings", &LlamaConfig::tie_word_embeddings, kComputation)
      .row("sliding_window", &LlamaConfig::window, kVersion)
      .row("max_position_embeddings", &LlamaConfig::max_positions, kVersion)
      .row("rms_norm_eps", &LlamaConfig::rms_norm_eps, kVersion)
      .row("rope_theta", &LlamaConfig::rope_theta, kVersion)
      .rows();
}

std::vector<Trait> traits_of(const OptConfig& own, const OptConfig& described) {
  return Comparison(own, described)
      .row("num_hidden_layers", &OptConfig::layers, kComputation)
      .row("hidden_size", &OptConfig::hidden, kComputation)
      .row("ffn_dim", &OptConfig::feed_forward, kComputation)
      .row("num_attention_heads", &OptConfig::heads, kComputation)
      .row("activation_function", &OptConfig::activation, kComputation)
      .row("do_layer_norm_before", &OptConfig::norm_before, kComputation)
      .row(trait("_remove_final_layer_norm", own.norm_before && !own.final_norm,
                 described.norm_before && !described.final_norm, kComputation))
      .row("layer_norm_elementwise_affine", &OptConfig::norm_affine, kComputation)
      .row("enable_bias", &OptConfig::bias, kComputation)
      .row("tie_word_embeddings", &OptConfig::tie_word_embeddings, kComputation)
      .rows();
}

// No answer depends on the folder's ids, but weights that were trained with others are others.
std::vector<Trait> traits_of(const TextConfig& own, const TextConfig& described) {
  std::vector<Trait> traits = std::visit(
      [&](const auto& model) {
        return traits_of(model, std::get<std::decay_t<decltype(model)>>(described.model));
      },
      own.model);
  const TextGenerationDefaults& a = own.generation;
  const TextGenerationDefaults& b = described.generation;
  traits.push_back(trait("bos_token_id", a.bos, b.bos, kVersion));
  traits.push_back(trait("eos_token_id", a.eos, b.eos, kVersion));
  // Many a file of a language model alone has none, where that of the whole model has, or
  // otherwise.
  if (a.pad && b.pad) traits.push_back(trait("pad_token_id", a.pad, b.pad, kVersion));
  return traits;
}

// In the order of the variant: model_type, where the folder's file does not say it.
constexpr std::array<const char*, std::variant_size_v<LanguageConfig>> kKinds = {"t5", "llama",
                                                                                 "opt"};

// A description of a language model: the section, or the whole of a file, and its model_type.
struct Description {
  Json root;  // owns what `section` reads
  ConfigSection section;
  std::string kind;

  TextConfig read() const {
    return read_text_config(section, writer_of(ConfigSection(root)), kind);
  }
};

Description describe(const Json& root, const ConfigSection& section, const char* kind) {
  return {root, section, section.text("model_type", kind)};
}

Description described_by(const Json& root) {
  const bool llava = ConfigSection(root).text("model_type", "").starts_with("llava");
  return describe(root, ConfigSection(root, "text_config"), llava ? "llama" : "opt");
}

// The file of a whole model, or of a language model alone. The token from which T5 decodes is the
// checkpoint's to say: a folder that names none is no fault. LLaVA's own code has the language
// model's keys under a name of its own.
Description own_of(const Json& root, const TextConfig& described) {
  const char* const kind = kKinds[described.model.index()];
  if (root.find("text_config")) return describe(root, ConfigSection(root, "text_config"), kind);
  const ConfigSection top(root);
  Json::Edits edits;
  const auto* t5 = std::get_if<T5Config>(&described.model);
  if (t5 != nullptr && !top.find("decoder_start_token_id")) {
    edits.push_back({{"decoder_start_token_id"}, std::to_string(t5->decoder_start)});
  }
  const std::string type = top.text("model_type", "");
  if (type.starts_with("llava")) {
    const std::string language = is_own_llava(root) ? own_llava_language(type) : "llama";
    edits.push_back({{"model_type"}, json_literal(language)});
  }
  const Json completed = Json::parse(root.with(edits), root.where());
  return describe(completed, ConfigSection(completed), kind);
}

std::string difference(const Trait& row) {
  return row.key + " is " + row.own + ", but text_config says " + row.described;
}

}  // namespace

bool describes_language_model(const std::filesystem::path& directory) {
  if (!is_present(directory / "config.json")) return false;
  const Json root = Json::read(directory / "config.json");
  return root.is_object() && (root.find("text_config") || root.find("model_type"));
}

void check_stands_alone(const TensorStore& tensors, const std::filesystem::path& directory) {
  constexpr std::string_view kElse[] = {"vision_model.", "visual_encoder.", "vision_tower.",
                                        "qformer.",      "Qformer.",        "language_model.",
                                        "mm_projector."};
  for (const TensorEntry& entry : tensors.entries()) {
    // At any level: what training code puts around the names is left out later.
    const std::string name = "." + entry.name;
    const auto is_in = [&](std::string_view part) {
      return name.find("." + std::string(part)) != std::string::npos;
    };
    if (std::ranges::none_of(kElse, is_in)) continue;
    throw Error(ErrorCode::bad_model,
                printable(directory.string()) + ": expected a language model alone, but there is " +
                    quote(entry.name),
                is_own_llava(directory)
                    ? "this is a whole model of LLaVA's own code: lay it over the directory of "
                      "transformers for the same model (--overlay)"
                    : "this is a whole model: give it as the checkpoint (--model)");
  }
}

void check_same_language_model(const std::filesystem::path& directory,
                               const std::filesystem::path& checkpoint) {
  const std::string name = directory.lexically_normal().string();
  if (name.find("-delta") != std::string::npos) {
    log_warning(printable(name) +
                ": are these differences to LLaMA's weights? They have to be added to those first");
  }
  if (!is_present(directory / "config.json")) {
    log_warning(printable(name) +
                ": no config.json, which would tell whether heads, activation and rotary positions "
                "are those of text_config");
    return;
  }
  const std::string file = printable((directory / "config.json").string());
  const Description theirs = described_by(Json::read(checkpoint / "config.json"));
  const TextConfig described = theirs.read();
  const Description own = own_of(Json::read(directory / "config.json"), described);
  const std::string hint = "give the language model that this checkpoint was trained with";
  if (own.kind != theirs.kind) {
    throw Error(ErrorCode::bad_model,
                file + ": a language model of kind " + quote(own.kind) +
                    ", but text_config describes one of kind " + quote(theirs.kind),
                hint);
  }
  Findings findings;
  std::string versions;
  for (const Trait& row : traits_of(own.read(), described)) {
    if (row.same) continue;
    if (row.differs == Differs::in_computation) {
      findings.add(difference(row));
    } else {
      versions += (versions.empty() ? "" : "; ") + difference(row);
    }
  }
  findings.throw_if_any(ErrorCode::bad_model,
                        file + ": not the language model that text_config of " +
                            printable((checkpoint / "config.json").string()) + " describes",
                        hint);
  if (versions.empty()) return;
  log_warning(file + ": " + versions +
              ": is this another version of the language model than this checkpoint was trained "
              "with?");
}

}  // namespace instructblip
