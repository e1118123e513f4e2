#include "retrieval/stages.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/amax.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/matmul.h>

namespace instructblip {
namespace {

// torch.nn.functional.normalize() over the last axis.
at::Tensor unit(const at::Tensor& x) {
  constexpr double kLeastNorm = 1e-12;
  return x / at::linalg_vector_norm(x, 2.0, at::IntArrayRef{-1}, /*keepdim=*/true)
                 .clamp_min(kLeastNorm);
}

}  // namespace

RetrievalStages::RetrievalStages(const nn::Weights& root, const RetrievalConfig& config,
                                 const VisionEncoder::PixelSize& size)
    : vision_(make_vision_encoder(root, config.vision, size)),
      qformer_(root, config.qformer),
      vision_projection_(root / "vision_projection", config.qformer.hidden, config.shared_width),
      text_projection_(root / "text_projection", config.qformer.hidden, config.shared_width),
      matching_head_(root / "itm_head", config.qformer.hidden, 2) {}

at::Tensor RetrievalStages::embed_image(const at::Tensor& visual) const {
  return unit(vision_projection_(qformer_.forward({}, visual)));
}

at::Tensor RetrievalStages::embed_text(std::span<const std::int32_t> text) const {
  return unit(text_projection_(qformer_.read(text).select(1, 0)));
}

at::Tensor RetrievalStages::look(std::span<const std::int32_t> text,
                                 const at::Tensor& visual) const {
  return qformer_.forward(text, visual);
}

at::Tensor RetrievalStages::judge(const at::Tensor& queries) const {
  return matching_head_(queries).mean(1);
}

at::Tensor greatest_cosines(const at::Tensor& image, const at::Tensor& texts) {
  return at::amax(at::matmul(image, texts.t()), {1});
}

}  // namespace instructblip
