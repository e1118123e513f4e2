#include "pipeline/gradcam.h"

#include <ATen/ops/cat.h>

#include <array>
#include <memory>
#include <string>

#include "nn/gradients.h"
#include "pipeline/tensors.h"
#include "pipeline/walk.h"

namespace instructblip {
namespace {

// Weights of half precision are widened for gradients, and all that a pass computes is kept.
constexpr std::int64_t kMostParameters = 500'000'000;

[[noreturn]] void refuse(const std::string& found, const std::string& expected,
                         const std::string& hint) {
  throw Error(ErrorCode::unsupported, "gradcam: " + found + ", expected " + expected,
              hint + "; relevance by leaving queries out needs no gradients");
}

// One pass through Q-Former and language model with all that gradients need.
class WatchedPass {
 public:
  WatchedPass(const ModelParts& model, const Prompt& prompt,
              std::span<const EncodedPicture> pictures)
      : language_(*model.loaded().language) {
    std::vector<at::Tensor> queries;
    for (const EncodedPicture& picture : pictures) {
      QFormerTrace trace = model.loaded().qformer->watched(prompt.instruction.qformer,
                                                           model.runtime->upload(picture.rows));
      queries.push_back(trace.queries);
      for (at::Tensor& weights : trace.cross) cross_.push_back(std::move(weights));
    }
    const Projection& projection = *model.loaded().projection;
    const at::Tensor prefix =
        projection.arrange(projection.forward(at::cat(queries)), prompt.pictures);
    state_ = language_.start(embedded(language_, prompt, prefix));
    logits_ = language_.prefill(std::array{state_.get()});  // [1, N]
  }

  // The logits behind one token more.
  void step(std::int32_t token) {
    constexpr std::array<std::int32_t, 1> kFromTheOne = {0};
    const std::array<std::int32_t, 1> tokens = {token};
    logits_ = language_.step(std::array{LanguageStep{state_.get(), kFromTheOne, tokens}}).rows;
  }

  // Adds what the next token owes to attention: of each picture and cross layer [queries,
  // positions].
  void add_relevance(std::int32_t token, std::vector<float>& out) const {
    for (const at::Tensor& map : nn::gradcam(logits_, token, cross_)) {
      const std::vector<float> values = to_named("", map).values;
      out.insert(out.end(), values.begin(), values.end());
    }
  }

 private:
  const LanguageModel& language_;
  std::vector<at::Tensor> cross_;  // [1, H, Q, P] for each picture and cross layer
  std::unique_ptr<LanguageState> state_;
  at::Tensor logits_;
};

}  // namespace

void check_gradients(const ModelParts& model) {
  const ModelInfo& info = model.info;
  if (!model.runtime->device().is_cpu()) {
    refuse("the model is on " + info.device, "it on the processor", "load it with device cpu");
  }
  if (info.numerics == Numerics::fast) {
    refuse("weights are packed (" + info.precision + ", numerics fast)", "weights as floats",
           "load it with numerics reference and without q8 or q4");
  }
  if (info.parameters <= kMostParameters) return;
  refuse("the model has " + std::to_string(info.parameters / 1'000'000) + " million parameters",
         "at most " + std::to_string(kMostParameters / 1'000'000),
         "gradients keep all that a pass computes in memory");
}

std::vector<float> gradcam(const ModelParts& model, const Prompt& prompt,
                           std::span<const EncodedPicture> pictures, const CandidateTokens& tokens,
                           const Control& control) {
  std::vector<float> relevance;
  model.runtime->run([&] {
    const nn::Watching watching;
    WatchedPass pass(model, prompt, pictures);
    for (std::size_t t = 0; t < tokens.size(); ++t) {
      if (control.stop.stop_requested()) {
        throw Error(ErrorCode::cancelled, "explain: stopped before all gradients were computed");
      }
      if (t > 0) pass.step(tokens[t - 1]);
      pass.add_relevance(tokens[t], relevance);
    }
  });
  return relevance;
}

}  // namespace instructblip
