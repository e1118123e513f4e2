// Golden checkpoints taken apart: weights here, everything else there.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "checkpoint/safetensors_writer.h"
#include "checkpoint/tensor_store.h"
#include "config/model_config.h"
#include "golden/golden_requests.h"
#include "support/lavis_names.h"
#include "support/temp_directory.h"

namespace instructblip::test {

inline constexpr std::string_view kLanguage = "language_model.";

inline bool holds_weights(const std::filesystem::path& file) {
  const std::string name = file.filename();
  return name.ends_with(".safetensors") || name.ends_with(".safetensors.index.json");
}

// A golden checkpoint, taken apart in a directory of its own.
class Parts {
 public:
  using Wanted = std::function<bool(const TensorEntry&)>;

  explicit Parts(const std::string& name)
      : whole_(kCheckpoints / name),
        config_(read_model_config(whole_)),
        store_(TensorStore::open(whole_, MappedFile::Access::map, config_.renames)) {
    std::filesystem::create_directory(checkpoint());
    for (const auto& file : std::filesystem::directory_iterator(whole_)) {
      if (holds_weights(file.path())) continue;
      std::filesystem::copy(file.path(), checkpoint() / file.path().filename(),
                            std::filesystem::copy_options::recursive);
    }
  }

  // Everything but weights.
  std::filesystem::path checkpoint() const { return directory_ / "checkpoint"; }

  // The language model by the names that it has alone; of its bare model where `bare` is cut off.
  std::filesystem::path language_model(std::string_view bare = "", std::int64_t rows = -1) const {
    const std::filesystem::path folder = directory_ / "language";
    std::filesystem::create_directory(folder);
    std::vector<TensorToWrite> tensors;
    for (const TensorEntry& entry : store_.entries()) {
      if (!entry.name.starts_with(kLanguage)) continue;
      TensorToWrite tensor{entry.name.substr(kLanguage.size()), entry.dtype, entry.shape,
                           entry.bytes};
      if (tensor.name.starts_with(bare)) tensor.name.erase(0, bare.size());
      if (rows > 0 && is_of_words(entry)) {
        tensor.bytes = tensor.bytes.first(tensor.bytes.size() / entry.shape[0] * rows);
        tensor.shape[0] = rows;
      }
      tensors.push_back(tensor);
    }
    write_safetensors(folder / "model.safetensors", tensors);
    return folder;
  }

  // A file of LAVIS with what is wanted.
  std::filesystem::path lavis(const Wanted& wanted, const std::string& key = "model") const {
    std::vector<SavedTensor> tensors;
    for (const TensorEntry& entry : store_.entries()) {
      if (!wanted(entry)) continue;
      for (SavedTensor& tensor : as_lavis(entry, language())) tensors.push_back(std::move(tensor));
    }
    directory_.write("lavis.pth", torch_file_of(tensors, key));
    return directory_ / "lavis.pth";
  }

  // The whole checkpoint in one file, with zeros for all that is wanted.
  void write_with_zeros(const Wanted& wanted) const {
    std::vector<std::string> zeros;
    std::vector<TensorToWrite> tensors;
    for (const TensorEntry& entry : store_.entries()) {
      tensors.push_back({entry.name, entry.dtype, entry.shape, entry.bytes});
      if (!wanted(entry)) continue;
      zeros.emplace_back(entry.bytes.size(), '\0');
    }
    std::size_t next = 0;
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      if (wanted(store_.entries()[i])) tensors[i].bytes = std::as_bytes(std::span(zeros[next++]));
    }
    write_safetensors(checkpoint() / "model.safetensors", tensors);
  }

  const TempDirectory& directory() const { return directory_; }
  const TensorStore& store() const { return store_; }
  const ModelConfig& config() const { return config_; }

  static bool is_of_language(const TensorEntry& entry) { return entry.name.starts_with(kLanguage); }
  static bool is_of_words(const TensorEntry& entry) {
    return entry.name.find("embed_tokens") != std::string::npos ||
           entry.name.find("shared") != std::string::npos ||
           entry.name.find("lm_head") != std::string::npos;
  }
  // What LAVIS leaves in a file of which the frozen parts are cut.
  static bool is_trained(const TensorEntry& entry) {
    return entry.name.starts_with("qformer.") || entry.name == "query_tokens" ||
           entry.name.starts_with("language_projection.") ||
           entry.name.starts_with("vision_model.post_layernorm.");
  }

 private:
  std::string language() const {
    return std::holds_alternative<T5Config>(config_.text)    ? "t5"
           : std::holds_alternative<OptConfig>(config_.text) ? "opt"
                                                             : "llm";
  }

  std::filesystem::path whole_;
  ModelConfig config_;
  TensorStore store_;
  TempDirectory directory_;
};

}  // namespace instructblip::test
