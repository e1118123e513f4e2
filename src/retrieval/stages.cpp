#include "retrieval/stages.h"

#include "nn/similarity.h"

namespace instructblip {
RetrievalStages::RetrievalStages(const nn::Weights& root, const RetrievalConfig& config,
                                 const VisionEncoder::PixelSize& size)
    : vision_(make_vision_encoder(root.of(nn::Module::vision), config.vision, size)),
      qformer_(root.of(nn::Module::qformer), config.qformer),
      vision_projection_(root.of(nn::Module::projection) / "vision_projection",
                         config.qformer.hidden, config.shared_width),
      text_projection_(root.of(nn::Module::projection) / "text_projection", config.qformer.hidden,
                       config.shared_width),
      matching_head_(root.of(nn::Module::head) / "itm_head", config.qformer.hidden, 2) {}

at::Tensor RetrievalStages::embed_image(const at::Tensor& visual) const {
  return nn::unit_rows(vision_projection_.wide(qformer_.forward({}, visual)));
}

at::Tensor RetrievalStages::embed_text(std::span<const std::int32_t> text) const {
  return nn::unit_rows(text_projection_.wide(qformer_.read(text).select(1, 0)));
}

at::Tensor RetrievalStages::fuse(std::span<const std::int32_t> text,
                                 const at::Tensor& visual) const {
  return qformer_.forward(text, visual);
}

at::Tensor RetrievalStages::matching_logits(const at::Tensor& queries) const {
  return nn::mean_of_rows(matching_head_.wide(queries));
}

}  // namespace instructblip
