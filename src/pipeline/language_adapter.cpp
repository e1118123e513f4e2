#include "pipeline/language_adapter.h"

#include <utility>

namespace instructblip {

LanguageAdapter::LanguageAdapter(nn::ComputeThread& compute, const LanguageModel& model,
                                 at::Tensor prompt)
    : compute_(compute),
      session_(model.start(std::move(prompt))),
      vocabulary_(model.vocabulary()) {}

std::span<const float> LanguageAdapter::prefill() {
  return keep(compute_.run([this] { return session_->prefill().contiguous(); }));
}

std::span<const float> LanguageAdapter::step(std::span<const std::int32_t> sources,
                                             std::span<const std::int32_t> tokens) {
  return keep(compute_.run([&] { return session_->step(sources, tokens).contiguous(); }));
}

std::span<const float> LanguageAdapter::keep(at::Tensor logits) {
  logits_ = std::move(logits);
  return {logits_.const_data_ptr<float>(), static_cast<std::size_t>(logits_.numel())};
}

}  // namespace instructblip
