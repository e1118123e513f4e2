// A model that is measured: where its sizes and its weights come from.
#pragma once

#include <filesystem>
#include <memory>
#include <stop_token>
#include <string>

#include "config/image_config.h"
#include "config/model_config.h"
#include "instructblip/checkpoint.h"
#include "pipeline/model_parts.h"

namespace instructblip {

class Subject {
 public:
  // A checkpoint directory, whose tokenizers are not looked at.
  static Subject of_directory(const std::filesystem::path& directory);
  // A published model with made-up weights, each stack cut to `layers` unless that is 0. Throws
  // Error(invalid_argument) for a name that there is not.
  static Subject synthetic(const std::string& name, int layers);

  const std::string& name() const { return name_; }
  int layers() const { return layers_; }  // 0: all of them

  // To run as `options` have it: threads, precision and all else. Its texts are words by number.
  // Made-up weights are made anew for each model: one that is still there keeps its own. They are
  // not worth a measurement where `stop` was asked meanwhile.
  ModelParts load(const LoadOptions& options, const std::stop_token& stop = {});

  // As the last model was built from it.
  const ModelConfig& config() const { return config_; }

 private:
  Subject() = default;
  std::shared_ptr<const TensorStore> weights(const LoadOptions& options,
                                             const std::stop_token& stop);
  PromptBuilder prompts() const;

  std::string name_;
  std::filesystem::path directory_;  // empty: synthetic
  int layers_ = 0;
  ModelConfig config_;
  ImageConfig image_;
};

}  // namespace instructblip
