// The public Pipeline on a loaded checkpoint.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "api/backend.h"
#include "pipeline/model_parts.h"

namespace instructblip {

class Model final : public Pipeline::Impl, public std::enable_shared_from_this<Model> {
 public:
  explicit Model(ModelParts parts) : parts_(std::move(parts)) {}

  Generation generate(const Request& request, const Control& control) const override;
  std::vector<Response> generate(std::span<const Request> requests,
                                 const Control& control) const override;
  std::vector<RankedCandidate> rank(const Request& request, Texts candidates,
                                    const RankOptions& options,
                                    const Control& control) const override;
  Scores score(const Request& request, Texts answers, const ScoreOptions& options,
               const Control& control) const override;
  ScoreMatrix score_matrix(std::span<const Pictures> pictures, Texts texts,
                           const MatrixOptions& options, const Control& control) const override;
  Explanation explain(const Request& request, const ExplainOptions& options,
                      const Control& control) const override;
  ImageFeatures encode(const Pictures& pictures) const override;
  std::vector<NamedTensor> features(const Pictures& pictures,
                                    std::optional<Text> instruction) const override;
  TokenizedText tokenize(Text text) const override;
  const ModelInfo& info() const noexcept override { return parts_.info; }
  CacheReport cache() const override;
  Usage usage() const override;
  std::unique_ptr<Engine::Impl> start_engine(const EngineOptions& options) const override;

  const ModelParts& parts() const { return parts_; }

 private:
  ModelParts parts_;
};

// As Pipeline::load().
std::shared_ptr<const Pipeline::Impl> load_pipeline(const std::filesystem::path& checkpoint_dir,
                                                    const LoadOptions& options);

}  // namespace instructblip
