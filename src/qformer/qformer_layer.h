// One layer of the Q-Former.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "config/model_config.h"
#include "nn/attention.h"
#include "nn/device_qformer.h"
#include "nn/feed_forward.h"
#include "nn/heads.h"
#include "nn/linear.h"
#include "nn/normalization.h"
#include "nn/rows.h"
#include "nn/weights.h"

namespace instructblip {

// B pictures | Q queries (32) | T instruction tokens | P image positions (257)
// N rows of all pictures, packed: those of one are its Q queries, then the T tokens of its
// instruction, which may be any number
// D hidden (768) | V vision hidden (1408) | F feed-forward (3072)

// Post-LN self-attention with its residual: LN(dense(attention(x)) + x).
class QFormerSelfAttention {
 public:
  QFormerSelfAttention(const nn::Weights& weights, const QFormerConfig& config);
  at::Tensor forward(const at::Tensor& x, const nn::Rows& rows) const;  // [N, D] -> [N, D]
  // What each row of one picture attends to: x [N, D] -> [H, N, N].
  at::Tensor weights(const at::Tensor& x) const;
  // Whether a device's kernel can be given its weights, which are put down in `layer`.
  bool describe(nn::DeviceQFormerLayer& layer) const;

 private:
  nn::AttentionOptions options_;
  nn::HeadsProjection heads_;
  nn::Linear output_;
  nn::LayerNorm norm_;
};

// Post-LN cross-attention with its residual: LN(dense(attention(x, memory)) + x).
class QFormerCrossAttention {
 public:
  QFormerCrossAttention(const nn::Weights& weights, const QFormerConfig& config);
  // x [B, Q, D], memory [B, P, V] -> [B, Q, D]. `weights`: where to leave what each query attended
  // to, [B, H, Q, P], as it went into the result.
  at::Tensor forward(const at::Tensor& x, const at::Tensor& memory,
                     at::Tensor* weights = nullptr) const;
  // What each query attends to: x [1, Q, D], memory [1, P, V] -> [H, Q, P].
  at::Tensor weights(const at::Tensor& x, const at::Tensor& memory) const;
  bool describe(nn::DeviceQFormerLayer& layer) const;  // as that of self-attention

 private:
  nn::AttentionOptions options_;
  nn::HeadsProjection heads_;
  nn::Linear output_;
  nn::LayerNorm norm_;
};

// Post-LN feed-forward with its residual: LN(contract(act(expand(x))) + x).
class QFormerFeedForward {
 public:
  // `intermediate` and `output` name the two halves below the layer's weights.
  QFormerFeedForward(const nn::Weights& weights, const QFormerConfig& config,
                     std::string_view intermediate, std::string_view output);
  at::Tensor forward(const at::Tensor& x) const;     // [..., D] -> [..., D]
  bool describe(nn::DeviceQFormerHalf& half) const;  // as that of self-attention

 private:
  at::ScalarType rows_;  // their type
  nn::FeedForward feed_forward_;
  nn::LayerNorm norm_;
};

// What a layer attends to, H heads. N rows of one picture: its queries, then its text.
struct QFormerAttention {
  at::Tensor self;   // [H, N, N]
  at::Tensor cross;  // [H, Q, P]; undefined where the layer does not look at the picture
};

class QFormerLayer {
 public:
  QFormerLayer(const nn::Weights& weights, const QFormerConfig& config, std::int64_t index);

  // x [N, D], a part for each picture; visual [B, P, V] -> [N, D]. `cross`: where to leave what the
  // queries attended to, [B, H, Q, P], if the layer looks at the picture.
  at::Tensor forward(const at::Tensor& x, const nn::Rows& rows, const at::Tensor& visual,
                     at::Tensor* cross = nullptr) const;
  // The same of the queries alone, [B, Q, D]: of a last layer the text is not read.
  at::Tensor forward_queries(const at::Tensor& x, const nn::Rows& rows,
                             const at::Tensor& visual) const;
  // What it attends to on the way: x [N, D] of one picture, visual [1, P, V].
  QFormerAttention attention(const at::Tensor& x, const nn::Rows& rows,
                             const at::Tensor& visual) const;
  // x [T, D], text without queries -> [T, D].
  at::Tensor forward_text(const at::Tensor& x, const nn::Rows& rows) const;
  // Its weights as a device's kernel takes them; none: it cannot be given them.
  std::optional<nn::DeviceQFormerLayer> on_device() const;

 private:
  // h [N, D], what self-attention makes of all rows -> queries [B, Q, D]: they alone look at the
  // picture.
  at::Tensor queries_of(const at::Tensor& h, std::span<const nn::Part> parts,
                        const at::Tensor& visual, at::Tensor* cross) const;
  // Packed again: queries [B, Q, D], text [N - B Q, D] -> [N, D].
  at::Tensor joined(const at::Tensor& queries, const at::Tensor& text,
                    std::span<const nn::Part> parts) const;

  std::int64_t num_queries_;
  QFormerSelfAttention self_attention_;
  std::optional<QFormerCrossAttention> cross_attention_;
  QFormerFeedForward query_feed_forward_;
  std::optional<QFormerFeedForward> text_feed_forward_;  // none where no instruction is read
};

}  // namespace instructblip
