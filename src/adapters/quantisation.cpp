#include "adapters/quantisation.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <system_error>
#include <utility>

#include "core/errors.h"
#include "core/file.h"
#include "core/json.h"
#include "core/log.h"

namespace instructblip {
namespace {

namespace fs = std::filesystem;

// quant_method of the reference, and how people call it. An unknown one is shown as it is written,
// and the reference reads such weights as they are stored.
struct Method {
  std::string_view key, name;
  bool can_be_undone = false;  // model.dequantize() of the reference
};
constexpr std::array<Method, 25> kMethods = {{
    {"aqlm", "AQLM"},
    {"auto-round", "AutoRound"},
    {"awq", "AWQ"},
    {"bitnet", "BitNet"},
    {"bitsandbytes", "bitsandbytes", true},
    {"bitsandbytes_4bit", "bitsandbytes", true},
    {"bitsandbytes_8bit", "bitsandbytes", true},
    {"compressed-tensors", "compressed-tensors"},
    {"eetq", "EETQ"},
    {"exl2", "ExLlamaV2"},
    {"fbgemm_fp8", "FBGEMM FP8"},
    {"fp8", "fine-grained FP8"},
    {"fp_quant", "FP-Quant"},
    {"gptq", "GPTQ"},
    {"higgs", "HIGGS", true},
    {"hqq", "HQQ"},
    {"instructblip", "instructblip"},
    {"mlx", "MLX"},
    {"mxfp4", "MXFP4"},
    {"quanto", "quanto"},
    {"quark", "Quark"},
    {"spqr", "SpQR"},
    {"torchao", "torchao"},
    {"vptq", "VPTQ"},
    {"intel/auto-round", "AutoRound"},
}};

const Method* method_of(std::string_view key) {
  const auto row = std::ranges::find(kMethods, key, &Method::key);
  return row == kMethods.end() ? nullptr : &*row;
}

// The value of a key as a word: texts as they are, numbers as digits, an object's _type.
std::string word(const Json& section, std::string_view key) {
  if (!section.is_object()) return {};
  const auto value = section.find(key);
  if (!value) return {};
  if (value->is_string()) return printable(value->string());
  if (value->is_number()) return value->dump();
  if (!value->is_object()) return {};
  const auto inner = value->find("default");
  return word(inner && inner->is_object() ? *inner : *value, "_type");
}

bool is_true(const Json& section, std::string_view key) {
  const auto value = section.find(key);
  return value && value->is_boolean() && value->boolean();
}

std::string joined(std::initializer_list<std::string> words) {
  std::string out;
  for (const std::string& text : words) {
    if (!text.empty()) out += (out.empty() ? "" : ", ") + text;
  }
  return out;
}

std::string bits(const Json& section) {
  for (const char* key : {"bits", "w_bit", "wbits", "nbits"}) {
    const std::string count = word(section, key);
    if (!count.empty()) return count + " bit";
  }
  return {};
}

std::string variant_of_bitsandbytes(const Json& section, const std::string& method) {
  if (is_true(section, "load_in_8bit") || is_true(section, "_load_in_8bit") ||
      method == "bitsandbytes_8bit") {
    return "8 bit";
  }
  const std::string type = word(section, "bnb_4bit_quant_type");
  const bool says_bits = is_true(section, "load_in_4bit") || method != "bitsandbytes";
  return type.empty() && says_bits ? "fp4" : type;  // BitsAndBytesConfig's default
}

// HqqConfig: quant_config.weight_quant_params.nbits
std::string variant_of_hqq(const Json& section) {
  const auto config = section.find("quant_config");
  const auto weights = config && config->is_object() ? config->find("weight_quant_params") : config;
  return weights && weights->is_object() ? bits(*weights) : bits(section);
}

std::string variant_of(const Json& section, const std::string& method) {
  if (method.starts_with("bitsandbytes")) return variant_of_bitsandbytes(section, method);
  if (method == "hqq") return variant_of_hqq(section);
  return joined({bits(section), word(section, "weights"), word(section, "format"),
                 word(section, "quant_type"), word(section, "quant_algo"),
                 word(section, "forward_dtype"), word(section, "checkpoint_format"),
                 word(section, "version")});
}

// Methods for which the reference would not quantise weights that are not yet: bitsandbytes by that
// name alone is unknown to it, MXFP4 it undoes without a GPU, and of MLX and ExLlamaV2 it knows
// nothing.
bool is_idle(const std::string& key, bool loads) {
  return (key == "bitsandbytes" && !loads) || key == "mxfp4" || key == "mlx" || key == "exl2";
}

Quantisation read_section(const Json& section, const std::string& source,
                          const std::string& assumed) {
  Quantisation found{.method = assumed, .variant = {}, .source = source};
  if (!section.is_object()) return found;
  std::string key = word(section, "quant_method");
  const bool loads = is_true(section, "load_in_8bit") || is_true(section, "load_in_4bit");
  if (loads) key = "bitsandbytes";
  if (key.empty()) key = assumed;
  const Method* method = method_of(key);
  found.method = method == nullptr ? key : std::string(method->name);
  found.applied = (method != nullptr && !is_idle(key, loads)) || key.empty();
  found.variant = variant_of(section, key);
  return found;
}

// Where tools leave their settings when they are not in config.json.
struct SettingsFile {
  const char* file;
  const char* method;  // quant_method where it says none
};
constexpr std::array<SettingsFile, 5> kSettingsFiles = {{
    {"quantize_config.json", "gptq"},
    {"quant_config.json", "awq"},
    {"quantization_config.json", ""},
    {"hf_quant_config.json", "modelopt"},
    {"quanto_qmap.json", "quanto"},
}};

// A tensor that only one method writes, by how its name ends and, where that says too little, by
// its type or by a tensor that the same layer has besides.
struct Mark {
  std::string_view ending;
  std::string_view method, variant;
  std::string_view beside = {};  // ending of the other tensor's name, in place of `ending`
};

constexpr std::array kMarks = {
    Mark{".quant_state.bitsandbytes__nf4", "bitsandbytes", "nf4"},
    Mark{".quant_state.bitsandbytes__fp4", "bitsandbytes", "fp4"},
    Mark{".absmax", "bitsandbytes", "4 bit"},
    Mark{".quant_map", "bitsandbytes", "4 bit"},
    Mark{".SCB", "bitsandbytes", "8 bit"},
    Mark{".g_idx", "GPTQ", "", ".qweight"},
    Mark{".qweight", "AWQ or GPTQ", ""},
    Mark{".Qidxs", "QuIP#", ""},
    Mark{".q_invperm", "ExLlamaV2", ""},
    Mark{".q_weight", "ExLlamaV2", ""},
    Mark{".trellis", "ExLlamaV3", ""},
    Mark{".codebooks", "AQLM", "", ".codes"},
    Mark{".centroids.weight", "VPTQ", ""},
    Mark{".dense_weights", "SpQR", ""},
    Mark{".tables2", "HIGGS", ""},
    Mark{".W_q", "HQQ", ""},
    Mark{"_q8", "instructblip", "q8", "_scale"},
    Mark{"_q4", "instructblip", "q4", "_scale"},
    Mark{".weight._data", "quanto", ""},
    Mark{".weight._scale", "quanto", ""},
    Mark{".weight_scales", "EETQ", "int8"},
    Mark{".weight_packed", "compressed-tensors", ""},
    Mark{".weight_qdata", "torchao", ""},
    Mark{".weight:qdata", "torchao", ""},
    Mark{"_blocks", "MXFP4", "", "_scales"},
    Mark{".weight_scale_inv", "fine-grained FP8", ""},
    Mark{".weight_scale_2", "modelopt", ""},
    Mark{".scales", "MLX", "", ".biases"},
    Mark{".input_scale_ub", "FBGEMM FP8", ""},
    Mark{".scale_weight", "scaled FP8", ""},
    Mark{"._packed_params._packed_params", "torch.ao.quantization", ""},
};

// AWQ and GPTQ pack the other axis: rows of zeros are as long as AWQ's weights, and rows of scales
// as long as GPTQ's.
std::string_view packed_method(const TensorStore& tensors, const TensorEntry& entry,
                               const std::string& layer) {
  const TensorEntry* zeros = tensors.find(layer + ".qzeros");
  if (zeros == nullptr || zeros->shape.size() != 2 || entry.shape.size() != 2) return "GPTQ or AWQ";
  return zeros->shape[1] == entry.shape[1] ? "AWQ" : "GPTQ";
}

std::optional<Quantisation> read_mark(const TensorStore& tensors, const TensorEntry& entry,
                                      const Mark& mark) {
  const std::string_view name = entry.name;
  if (!name.ends_with(mark.ending)) return std::nullopt;
  const std::string layer(name.substr(0, name.size() - mark.ending.size()));
  if (!mark.beside.empty() && tensors.find(layer + std::string(mark.beside)) == nullptr) {
    return std::nullopt;
  }
  const bool packed = mark.ending == ".qweight";
  return Quantisation{
      .method = std::string(packed ? packed_method(tensors, entry, layer) : mark.method),
      .variant = std::string(mark.variant),
      .source = {}};
}

[[noreturn]] void refuse(const Quantisation& found, const std::string& head) {
  const auto by_name = std::ranges::find(kMethods, found.method, &Method::name);
  std::string what = found.method.empty() ? "quantised" : "quantised by " + found.method;
  if (!found.variant.empty()) what += " (" + found.variant + ")";
  std::string hint = "give the checkpoint from which it was made, with weights of F32, F16 or BF16";
  if (by_name != kMethods.end() && by_name->can_be_undone) {
    hint += "; or load it in transformers, call model.dequantize() and save it";
  }
  throw Error(ErrorCode::unsupported, head + ": " + what + ": not supported", hint);
}

// The reference would quantise them when it loads them.
[[noreturn]] void refuse_unapplied(const Quantisation& described) {
  throw Error(ErrorCode::unsupported,
              described.source + ": says that the weights are quantised" +
                  (described.method.empty() ? "" : " by " + described.method) +
                  ", but none of them is",
              "if they were merged or dequantised after that, take quantization_config out of "
              "the file: the answers are then those of the weights as they are stored");
}

}  // namespace

std::optional<Quantisation> described_quantisation(const fs::path& directory) {
  const fs::path config_file = directory / "config.json";
  if (is_present(config_file)) {
    const Json config = Json::read(config_file);
    if (!config.is_object()) return std::nullopt;
    const std::string source = printable(config_file.string());
    // MLX writes its settings under both keys, without a method.
    const std::string of_mlx = config.find("quantization") ? "mlx" : "";
    for (const auto& [key, assumed] : {std::pair{"quantization_config", of_mlx},
                                       {"compression_config", "compressed-tensors"},
                                       {"quantization", "mlx"}}) {
      if (const auto section = config.find(key)) {
        return read_section(*section, source + ": " + key, assumed);
      }
    }
    for (const char* part : {"text_config", "vision_config", "qformer_config"}) {
      const auto inner = config.find(part);
      const auto section =
          inner && inner->is_object() ? inner->find("quantization_config") : std::nullopt;
      if (!section) continue;
      Quantisation found = read_section(*section, section->where(), "");
      found.applied = false;  // the reference reads the upper level alone
      return found;
    }
  }
  for (const SettingsFile& row : kSettingsFiles) {
    if (!is_present(directory / row.file)) continue;
    const Json json = Json::read(directory / row.file);
    const auto inner = json.is_object() ? json.find("quantization") : std::nullopt;
    Quantisation found =
        read_section(inner.value_or(json), printable((directory / row.file).string()), row.method);
    found.applied = false;
    return found;
  }
  return std::nullopt;
}

std::optional<Quantisation> found_quantisation(const TensorStore& tensors, const fs::path& where) {
  const auto source = [&](const TensorEntry& entry) {
    return printable((where / entry.file).string()) + ": " + printable(entry.name);
  };
  // The marks that say most come first.
  for (const Mark& mark : kMarks) {
    for (const TensorEntry& entry : tensors.entries()) {
      std::optional<Quantisation> found = read_mark(tensors, entry, mark);
      if (!found) continue;
      found->source = source(entry);
      return found;
    }
  }
  for (const TensorEntry& entry : tensors.entries()) {
    const bool of_weights = entry.shape.size() >= 2 && entry.name.ends_with("weight");
    if (!of_weights || is_weight_dtype(entry.dtype)) continue;
    return Quantisation{
        .method = {}, .variant = std::string(name_of(entry.dtype)), .source = source(entry)};
  }
  return std::nullopt;
}

TensorStore open_unquantised(const fs::path& path, const std::function<TensorStore()>& open) {
  const bool folder = is_folder(path);
  const std::optional<Quantisation> described =
      folder ? described_quantisation(path) : std::nullopt;
  // Nothing is as plain as the reason that the directory itself gives, where a file cannot be read
  // because of it.
  const auto opened = [&] {
    try {
      return open();
    } catch (const Error& error) {
      if (described && error.code() == ErrorCode::unsupported) {
        refuse(*described, described->source);
      }
      throw;
    }
  };
  TensorStore store = opened();
  const auto found = found_quantisation(store, folder ? path : path.parent_path());
  if (found) {
    const bool says_more =
        described && (described->applied || !described->variant.empty() || found->method.empty());
    refuse(says_more ? *described : *found, says_more ? described->source : found->source);
  }
  if (!described) return store;
  if (described->applied) refuse_unapplied(*described);
  log_info(described->source + ": speaks of quantised weights, but none of them is");
  return store;
}

}  // namespace instructblip
