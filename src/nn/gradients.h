// Gradients, for explanations: no forward of a request comes here.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/GradMode.h>
#include <c10/core/InferenceMode.h>

#include <cstdint>
#include <span>
#include <vector>

namespace instructblip::nn {

class KvCache;

// While one lives, tensors that its thread makes can be part of what is watched later, which those
// of a runtime's thread cannot otherwise. Nothing is recorded.
class PlainTensors {
 private:
  c10::InferenceMode off_{/*enabled=*/false};
  c10::AutoGradMode no_record_{/*enabled=*/false};
};

// While one lives, what its thread computes is watched, so that gradcam() can go back through it:
// operations are ATen's alone, and caches hold tensors in the place of pages. On the processor,
// with weights that are not packed. One at a time on the thread of a runtime.
class Watching {
 public:
  Watching();
  ~Watching();
  Watching(const Watching&) = delete;
  Watching& operator=(const Watching&) = delete;

 private:
  c10::InferenceMode off_;
};

// Whether there is one on this thread.
bool is_watched();

// A copy that can be watched, and that gradients go back to: tensors made before cannot.
at::Tensor watchable(const at::Tensor& tensor);

// All keys and values of a layer of a cache that belongs to one hypothesis, [P, G, d]: what pages
// hold otherwise.
struct WatchedKeys {
  at::Tensor keys, values;
};
void watch(const KvCache& cache, std::int64_t layer, const at::Tensor& keys,
           const at::Tensor& values);
WatchedKeys watched(const KvCache& cache, std::int64_t layer);

// Grad-CAM of a token: for each attention [1, H, n, m] that `logits` [1, N] were computed from
// while they were watched, the mean over heads of attention times the gradient of the token's log
// probability with respect to it, where that is positive: [n, m]. May be called for other tokens
// and for other logits of the same computation.
std::vector<at::Tensor> gradcam(const at::Tensor& logits, std::int64_t token,
                                std::span<const at::Tensor> attention);

}  // namespace instructblip::nn
