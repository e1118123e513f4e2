// The stages of retrieval: a picture and a text, apart or together.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <span>

#include "config/retrieval_config.h"
#include "nn/linear.h"
#include "nn/weights.h"
#include "qformer/qformer.h"
#include "vision/vision_encoder.h"

namespace instructblip {

// P image positions | V vision width | Q queries | D Q-Former width | S shared width
class RetrievalStages {
 public:
  RetrievalStages(const nn::Weights& root, const RetrievalConfig& config,
                  const VisionEncoder::PixelSize& size);

  const VisionEncoder& vision() const { return *vision_; }

  // What the queries find without a text, in the shared space: [1, Q, S], unit rows.
  at::Tensor embed_image(const at::Tensor& visual) const;
  // What [CLS] becomes without a picture, in the shared space: [1, S], a unit row.
  at::Tensor embed_text(std::span<const std::int32_t> text) const;

  // The queries that have read the text and look at the picture: [1, Q, D].
  at::Tensor fuse(std::span<const std::int32_t> text, const at::Tensor& visual) const;
  // Their verdict: the logits of no match and of a match, the mean over the queries, [1, 2].
  at::Tensor matching_logits(const at::Tensor& queries) const;

 private:
  std::unique_ptr<const VisionEncoder> vision_;
  QFormer qformer_;
  nn::Linear vision_projection_, text_projection_;
  nn::Linear matching_head_;
};

}  // namespace instructblip
