#include "pipeline/explanation.h"

#include <ATen/ops/cat.h>

#include <utility>

#include "pipeline/batch.h"
#include "pipeline/gradcam.h"
#include "pipeline/job_stream.h"
#include "pipeline/prepare.h"
#include "pipeline/rollout.h"
#include "pipeline/scoring.h"
#include "pipeline/tensors.h"

namespace instructblip {
namespace {

void check_qformer(const ModelParts& model) {
  if (model.loaded().qformer) return;
  throw Error(ErrorCode::unsupported,
              "explain: the model has no Q-Former, expected one whose queries look at the picture",
              "InstructBLIP and BLIP-2 have one; LLaVA has none");
}

CandidateTokens answer_tokens(const ModelParts& model, const Request& request,
                              const ExplainOptions& options, const Control& control) {
  if (options.answer) return model.prompts.answer(*options.answer, /*with_end=*/true);
  const Generation generation = answer(model, prepare(model, request, {control}));
  if (generation.finish_reason() != FinishReason::cancelled) return generation.tokens();
  throw Error(ErrorCode::cancelled, "explain: stopped before the answer was complete");
}

std::vector<float> values_of(const at::Tensor& tensor) { return to_named("", tensor).values; }

// On the runtime's thread: what the Q-Former attends to about one picture.
PictureAttention attention_of(const ModelParts& model, std::span<const std::int32_t> instruction,
                              const EncodedPicture& picture, Explanation& sizes) {
  const at::Tensor visual = model.runtime->upload(picture.rows);
  std::vector<LayerAttention> layers;
  PictureAttention out;
  sizes.cross_layers.clear();
  for (const QFormerAttention& layer : model.loaded().qformer->attention(instruction, visual)) {
    sizes.heads = static_cast<int>(layer.self.size(0));
    sizes.text_tokens = static_cast<int>(std::ssize(instruction));
    sizes.queries = static_cast<int>(layer.self.size(1)) - sizes.text_tokens;
    layers.push_back({values_of(layer.self), {}});
    if (layer.cross.defined()) {
      layers.back().cross = values_of(layer.cross);
      sizes.cross_layers.push_back(static_cast<int>(layers.size()) - 1);
    }
  }
  sizes.layers = static_cast<int>(layers.size());
  out.rollout = rollout(
      layers, {sizes.heads, sizes.queries, sizes.queries + sizes.text_tokens, sizes.positions});
  for (const LayerAttention& layer : layers) {
    out.self.insert(out.self.end(), layer.self.begin(), layer.self.end());
    out.cross.insert(out.cross.end(), layer.cross.begin(), layer.cross.end());
  }
  return out;
}

SeenRegion region_of(const ModelParts& model, const Image& image) {
  const auto [left, top, width, height] = model.image_processor.shown_part(image);
  return {left, top, width, height};
}

// The answer scored once with all queries, and once without each.
class LeavingOut {
 public:
  LeavingOut(const ModelParts& model, const Request& request, const CandidateTokens& tokens,
             const Control& control)
      : model_(model), request_(request), tokens_(tokens), control_(control) {}

  Sequence with_all() {
    const auto job = prepare(model_, request_, {control_}, {tokens_});
    job->on_stage = [this](const std::string& name, const at::Tensor& output) {
      if (name == "projection") prefix_ = output;  // [1, R, L]
    };
    prompt_ = job->prompt();
    return answer(model_, job).sequences.front();
  }

  // [tokens, R]: how much the log probability of each token falls.
  std::vector<float> relevance(const std::vector<float>& with_all) {
    const auto rows = static_cast<std::size_t>(prefix_.size(1));
    std::vector<float> falls(tokens_.size() * rows);
    JobStream stream(model_);
    for (std::size_t row = 0; row < rows; ++row) {
      stream.put(without(static_cast<std::int64_t>(row)), [&, row](const Generation& generation) {
        const std::vector<float>& logprobs = generation.sequences.front().logprobs;
        for (std::size_t t = 0; t < logprobs.size(); ++t) {
          falls[t * rows + row] = with_all[t] - logprobs[t];
        }
      });
    }
    stream.finish();
    return falls;
  }

 private:
  std::shared_ptr<Job> without(std::int64_t row) const {
    std::vector<std::int64_t> rows = prompt_.rows;
    --rows[static_cast<std::size_t>(row / prompt_.rows.front())];
    Prompt prompt =
        model_.prompts.with_pictures(prompt_.instruction, std::move(rows), prompt_.is_video);
    prompt.pictures = prompt_.pictures;
    auto job = make_job(model_, std::move(prompt), request_, {control_}, {tokens_});
    job->pictures.clear();  // the first stages have been run
    model_.runtime->run([&] {
      const std::int64_t behind = prefix_.size(1) - row - 1;
      job->prefix = at::cat({prefix_.narrow(1, 0, row), prefix_.narrow(1, row + 1, behind)}, 1);
    });
    return job;
  }

  const ModelParts& model_;
  const Request& request_;
  const CandidateTokens& tokens_;
  const Control& control_;
  Prompt prompt_;
  at::Tensor prefix_;
};

}  // namespace

Explanation explain_answer(const ModelParts& model, const Request& request,
                           const ExplainOptions& options, const Control& control) {
  check_qformer(model);
  if (options.gradcam) check_gradients(model);
  check(model, request, {});
  Request encoded_request = request;
  encoded_request.pictures = encode_pictures(model, request.pictures);
  const CandidateTokens tokens = answer_tokens(model, encoded_request, options, control);

  Explanation explanation;
  explanation.positions = static_cast<int>(model.geometry.positions());
  explanation.grid_rows = static_cast<int>(model.geometry.grid_rows());
  explanation.grid_columns = static_cast<int>(model.geometry.grid_columns());
  explanation.instruction = request.instruction;
  const Prompt prompt = prompt_of(model, encoded_request, {tokens});
  model.runtime->run([&] {
    for (const EncodedPicture& picture : encoded(*encoded_request.pictures.features()).pictures) {
      explanation.pictures.push_back(
          attention_of(model, prompt.instruction.qformer, picture, explanation));
    }
  });
  const std::span<const Image> images = request.pictures.images();
  const auto shown =
      images.empty() ? std::vector<std::size_t>() : model.image_processor.picked(images.size());
  for (std::size_t i = 0; i < shown.size(); ++i) {
    explanation.pictures[i].region = region_of(model, images[shown[i]]);
  }

  LeavingOut leaving_out(model, encoded_request, tokens, control);
  Sequence whole = leaving_out.with_all();
  explanation.answer = whole.text;
  explanation.scored = to_scored(std::move(whole), model.prompts);
  if (options.relevance) {
    explanation.relevance = leaving_out.relevance(explanation.scored.logprobs);
  }
  if (options.gradcam) {
    explanation.gradcam = gradcam(
        model, prompt, encoded(*encoded_request.pictures.features()).pictures, tokens, control);
  }
  return explanation;
}

}  // namespace instructblip
