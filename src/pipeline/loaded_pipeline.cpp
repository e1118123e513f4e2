#include "pipeline/loaded_pipeline.h"

#include <ATen/ops/cat.h>

#include <array>
#include <map>
#include <utility>

#include "interface/guarded.h"
#include "interface/tensors.h"
#include "pipeline/batch.h"
#include "pipeline/job.h"
#include "pipeline/model.h"
#include "pipeline/ranking.h"
#include "pipeline/running_engine.h"

namespace instructblip {
namespace {

// Requests are admitted in their order, as soon as there is room.
std::vector<Response> answer_all(const Model& model, std::span<const Request> requests,
                                 const Control& control) {
  std::vector<Response> responses(requests.size());
  std::map<const Job*, std::size_t> places;  // in `responses`
  Batch batch(model);
  std::size_t made = 0;
  std::shared_ptr<Job> waiting;  // made, and not admitted yet
  // False: all have been admitted, or have failed before.
  const auto make_one = [&] {
    for (; !waiting && made < requests.size(); ++made) {
      try {
        waiting = model.job(requests[made], control, made);
        places[waiting.get()] = made;
      } catch (const Error& error) {
        responses[made].error = error;
      }
    }
    return waiting != nullptr;
  };
  while (true) {
    while (make_one() && batch.has_room(*waiting, kRowsOfABatch)) {
      batch.admit(std::exchange(waiting, nullptr));
    }
    if (batch.empty()) return responses;
    for (const std::shared_ptr<Job>& job : batch.advance()) {
      responses[places.extract(job.get()).mapped()] = to_response(*job);
    }
  }
}

std::optional<Model::Question> asked_about(const Model& model, std::vector<PictureSize> pictures,
                                           std::optional<std::string_view> instruction) {
  if (!instruction) return std::nullopt;
  return model.question({*instruction}, std::move(pictures));
}

// Appends what the stages make of `visual` [B, P, V], itself included. On the runtime's thread.
void add_stages(const Model& model, const at::Tensor& visual,
                const std::optional<Model::Question>& asked, std::vector<NamedTensor>& tensors) {
  const Stages& stages = model.loaded();
  tensors.push_back(to_named("vision", visual));
  if (!asked) return;
  const Prompt& prompt = asked->prompt;
  at::Tensor queries = finite(visual, "vision encoder");
  if (stages.qformer) {
    queries = finite(stages.qformer->forward(prompt.instruction.qformer, visual), "Q-Former");
    tensors.push_back(to_named("qformer", queries));
  }
  const at::Tensor prefix = model.project(queries, prompt.pictures);
  const auto state = stages.language->start(model.embed(prompt, prefix));
  const at::Tensor logits = stages.language->prefill(std::array{state.get()});
  tensors.push_back(to_named("projection", prefix));
  tensors.push_back(to_named("logits", logits));
}

std::vector<NamedTensor> features_of(const Model& model, std::span<const Image> images,
                                     std::optional<std::string_view> instruction) {
  const auto asked = asked_about(model, model.sizes(images), instruction);
  const std::vector<at::Tensor> pixels = model.pixels(images);
  const Stages& stages = model.loaded();
  std::vector<NamedTensor> tensors;
  model.runtime->run([&] { tensors.push_back(to_named("pixel_values", at::cat(pixels))); });
  std::vector<std::int64_t> views;
  for (const at::Tensor& views_of_one : pixels) views.push_back(views_of_one.size(0));
  if (auto pictures = to_named(model.sizes(images), views)) {
    tensors.push_back(std::move(*pictures));
  }
  if (auto mode = to_named(model.info.compat)) tensors.push_back(std::move(*mode));
  model.runtime->run([&] {
    const at::Tensor all = model.runtime->upload(at::cat(pixels));
    add_stages(model, stages.vision->forward(all), asked, tensors);
  });
  return tensors;
}

std::vector<NamedTensor> features_of(const Model& model, const EncodedPictures& features,
                                     std::optional<std::string_view> instruction) {
  model.check_made_for_model(features);
  const auto asked = asked_about(model, features.sizes(), instruction);
  std::vector<NamedTensor> tensors;
  model.runtime->run([&] {
    std::vector<at::Tensor> rows;
    for (const EncodedPicture& picture : features.pictures) {
      rows.push_back(model.runtime->upload(picture.rows));
    }
    add_stages(model, at::cat(rows), asked, tensors);
  });
  return tensors;
}

// Implements the public class on a model.
class LoadedPipeline final : public Pipeline::Impl {
 public:
  explicit LoadedPipeline(std::shared_ptr<const Model> model) : model_(std::move(model)) {}

  Generation generate(Images images, Text instruction, const GenerationConfig& config,
                      const Control& control) const override {
    return guarded([&] {
      return answer(*model_, model_->job(images, {instruction, config}, control));
    });
  }

  Generation generate(const ImageFeatures& features, Text instruction,
                      const GenerationConfig& config, const Control& control) const override {
    return guarded([&] {
      return answer(*model_, model_->job(encoded(features), {instruction, config}, control));
    });
  }

  std::vector<Response> generate(std::span<const Request> requests,
                                 const Control& control) const override {
    return guarded([&] { return answer_all(*model_, requests, control); });
  }

  std::vector<RankedCandidate> rank(Images images, Text instruction, Candidates candidates,
                                    const RankOptions& options,
                                    const Control& control) const override {
    return guarded([&] {
      return instructblip::rank(*model_, images, instruction, candidates, options, control);
    });
  }

  std::vector<RankedCandidate> rank(const ImageFeatures& features, Text instruction,
                                    Candidates candidates, const RankOptions& options,
                                    const Control& control) const override {
    return guarded([&] {
      return instructblip::rank(*model_, encoded(features), instruction, candidates, options,
                                control);
    });
  }

  ImageFeatures encode(Images images) const override {
    return guarded([&] {
      return ImageFeatures(std::make_shared<const EncodedPictures>(model_->encode(images)));
    });
  }

  std::vector<NamedTensor> features(Images images, std::optional<Text> instruction) const override {
    return guarded([&] { return features_of(*model_, images, instruction); });
  }

  std::vector<NamedTensor> features(const ImageFeatures& features,
                                    std::optional<Text> instruction) const override {
    return guarded([&] { return features_of(*model_, encoded(features), instruction); });
  }

  TokenizedText tokenize(Text text) const override {
    return guarded([&] {
      Instruction instruction = model_->prompts.read(text);
      return TokenizedText{std::move(instruction.language), std::move(instruction.qformer),
                           static_cast<int>(instruction.marks.size())};
    });
  }

  const ModelInfo& info() const noexcept override { return model_->info; }

  CacheReport cache() const override {
    return model_->reader ? model_->reader->usage() : CacheReport{};
  }

  std::unique_ptr<Engine::Impl> start_engine(const EngineOptions& options) const override {
    return guarded([&] { return run_engine(model_, options); });
  }

 private:
  std::shared_ptr<const Model> model_;
};

}  // namespace

std::shared_ptr<const Pipeline::Impl> make_pipeline(std::shared_ptr<const Model> model) {
  return std::make_shared<const LoadedPipeline>(std::move(model));
}

}  // namespace instructblip
