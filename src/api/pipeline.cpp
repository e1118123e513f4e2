#include "instructblip/pipeline.h"

#include <utility>

#include "api/backend.h"
#include "checkpoint/safetensors_writer.h"
#include "core/boundary.h"

namespace instructblip {

std::int64_t ImageFeatures::images() const { return impl_->images(); }
std::int64_t ImageFeatures::positions() const { return impl_->positions(); }
std::int64_t ImageFeatures::width() const { return impl_->width(); }
void ImageFeatures::save(const std::filesystem::path& file) const { impl_->save(file); }

ImageFeatures ImageFeatures::load(const std::filesystem::path& file) {
  return at_boundary([&] { return backend().load_features(file); });
}

Pipeline::Pipeline(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
Pipeline::Pipeline(Pipeline&&) noexcept = default;
Pipeline& Pipeline::operator=(Pipeline&&) noexcept = default;
Pipeline::~Pipeline() = default;

Pipeline Pipeline::load(const std::filesystem::path& checkpoint_dir, const LoadOptions& options) {
  return at_boundary([&] { return Pipeline(backend().load_pipeline(checkpoint_dir, options)); });
}

Generation Pipeline::generate(const Pictures& pictures, std::string_view instruction,
                              const GenerationConfig& config, const Control& control) const {
  return impl_->generate({pictures, std::string(instruction), config}, control);
}

Generation Pipeline::generate(const Request& request, const Control& control) const {
  return impl_->generate(request, control);
}

std::vector<Response> Pipeline::generate(std::span<const Request> requests,
                                         const Control& control) const {
  return impl_->generate(requests, control);
}

std::vector<RankedCandidate> Pipeline::rank(const Pictures& pictures, std::string_view instruction,
                                            std::span<const std::string> candidates,
                                            const RankOptions& options,
                                            const Control& control) const {
  return rank({pictures, std::string(instruction)}, candidates, options, control);
}

std::vector<RankedCandidate> Pipeline::rank(const Request& request,
                                            std::span<const std::string> candidates,
                                            const RankOptions& options,
                                            const Control& control) const {
  return impl_->rank(request, candidates, options, control);
}

Scores Pipeline::score(const Request& request, std::span<const std::string> answers,
                       const ScoreOptions& options, const Control& control) const {
  return impl_->score(request, answers, options, control);
}

ScoreMatrix Pipeline::score_matrix(std::span<const Pictures> pictures,
                                   std::span<const std::string> texts, const MatrixOptions& options,
                                   const Control& control) const {
  return impl_->score_matrix(pictures, texts, options, control);
}

Explanation explain(const Pipeline& pipeline, const Request& request, const ExplainOptions& options,
                    const Control& control) {
  return pipeline.impl().explain(request, options, control);
}

ImageFeatures Pipeline::encode(const Pictures& pictures) const { return impl_->encode(pictures); }

std::vector<NamedTensor> Pipeline::features(const Pictures& pictures,
                                            std::optional<std::string_view> instruction) const {
  return impl_->features(pictures, instruction);
}

TokenizedText Pipeline::tokenize(std::string_view text) const { return impl_->tokenize(text); }
const ModelInfo& Pipeline::info() const noexcept { return impl_->info(); }
CacheReport Pipeline::cache() const { return impl_->cache(); }
Usage Pipeline::usage() const { return impl_->usage(); }

void save_tensors(const std::filesystem::path& file, std::span<const NamedTensor> tensors) {
  at_boundary([&] {
    std::vector<TensorToWrite> list;
    for (const NamedTensor& tensor : tensors) {
      list.push_back(
          {tensor.name, DType::f32, tensor.shape, std::as_bytes(std::span(tensor.values))});
    }
    write_safetensors(file, list);
  });
}

}  // namespace instructblip
