#include "instructblip/pipeline.h"

#include <ATen/ops/cat.h>

#include <array>
#include <map>
#include <utility>

#include "checkpoint/safetensors_writer.h"
#include "decoding/options.h"
#include "interface/guarded.h"
#include "interface/tensors.h"
#include "pipeline/batch.h"
#include "pipeline/impl.h"
#include "pipeline/job.h"

namespace instructblip {
namespace {

// Requests are admitted in their order, as soon as there is room.
std::vector<Response> answer_all(const Pipeline::Impl& impl, std::span<const Request> requests,
                                 const Control& control) {
  std::vector<Response> responses(requests.size());
  std::map<const Job*, std::size_t> places;  // in `responses`
  Batch batch(impl);
  std::size_t made = 0;
  std::shared_ptr<Job> waiting;  // made, and not admitted yet
  // False: all have been admitted, or have failed before.
  const auto make_one = [&] {
    for (; !waiting && made < requests.size(); ++made) {
      try {
        waiting = impl.job(requests[made], control, made);
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

std::optional<Pipeline::Impl::Question> asked_about(const Pipeline::Impl& impl,
                                                    std::vector<PictureSize> pictures,
                                                    std::optional<std::string_view> instruction) {
  if (!instruction) return std::nullopt;
  return impl.question({*instruction}, std::move(pictures));
}

// Appends what the stages make of `visual` [B, P, V], itself included. On the compute thread.
void add_stages(const Pipeline::Impl& impl, const at::Tensor& visual,
                const std::optional<Pipeline::Impl::Question>& asked,
                std::vector<NamedTensor>& tensors) {
  const Stages& model = impl.model();
  tensors.push_back(to_named("vision", visual));
  if (!asked) return;
  const Prompt& prompt = asked->prompt;
  at::Tensor queries = finite(visual, "vision encoder");
  if (model.qformer) {
    queries = finite(model.qformer->forward(prompt.instruction.qformer, visual), "Q-Former");
    tensors.push_back(to_named("qformer", queries));
  }
  const at::Tensor prefix = impl.project(queries, prompt.pictures);
  const auto state = model.language->start(impl.embed(prompt, prefix));
  const at::Tensor logits = model.language->prefill(std::array{state.get()});
  tensors.push_back(to_named("projection", prefix));
  tensors.push_back(to_named("logits", logits));
}

}  // namespace

void validate(const GenerationConfig& config) { validate_options(config); }

std::string_view to_string(FinishReason reason) noexcept {
  switch (reason) {
    case FinishReason::stop:
      return "stop";
    case FinishReason::length:
      return "length";
    case FinishReason::cancelled:
      return "cancelled";
  }
  return "length";
}

Pipeline::Pipeline(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
Pipeline::Pipeline(Pipeline&&) noexcept = default;
Pipeline& Pipeline::operator=(Pipeline&&) noexcept = default;
Pipeline::~Pipeline() = default;

Generation Pipeline::generate(const Image& image, std::string_view instruction,
                              const GenerationConfig& config, const Control& control) const {
  return generate(std::span(&image, 1), instruction, config, control);
}

Generation Pipeline::generate(std::span<const Image> images, std::string_view instruction,
                              const GenerationConfig& config, const Control& control) const {
  return guarded([&] {
    return answer(*impl_, impl_->job(images, {instruction, config}, control));
  });
}

Generation Pipeline::generate(const ImageFeatures& features, std::string_view instruction,
                              const GenerationConfig& config, const Control& control) const {
  return guarded([&] {
    return answer(*impl_, impl_->job(*features.impl_, {instruction, config}, control));
  });
}

std::vector<Response> Pipeline::generate(std::span<const Request> requests,
                                         const Control& control) const {
  return guarded([&] { return answer_all(*impl_, requests, control); });
}

ImageFeatures Pipeline::encode(const Image& image) const { return encode(std::span(&image, 1)); }

ImageFeatures Pipeline::encode(std::span<const Image> images) const {
  return guarded([&] {
    const std::vector<at::Tensor> pixels = impl_->pixels(images);
    impl_->model();
    ImageFeatures::Impl features{.pictures = {}, .compat = impl_->info.compat};
    impl_->compute->run([&] {
      for (const ImageReader::Seen& seen : impl_->reader->see(pixels)) {
        features.pictures.push_back(seen.picture);
      }
    });
    for (std::size_t i = 0; i < images.size(); ++i) {
      features.pictures[i].size = impl_->image_processor.size_of(images[i]);
    }
    return ImageFeatures(std::make_shared<const ImageFeatures::Impl>(std::move(features)));
  });
}

std::vector<NamedTensor> Pipeline::features(const Image& image,
                                            std::optional<std::string_view> instruction) const {
  return features(std::span(&image, 1), instruction);
}

std::vector<NamedTensor> Pipeline::features(std::span<const Image> images,
                                            std::optional<std::string_view> instruction) const {
  return guarded([&] {
    const auto asked = asked_about(*impl_, impl_->sizes(images), instruction);
    const std::vector<at::Tensor> pixels = impl_->pixels(images);
    const Stages& model = impl_->model();
    std::vector<NamedTensor> tensors = {to_named("pixel_values", at::cat(pixels))};
    std::vector<std::int64_t> views;
    for (const at::Tensor& views_of_one : pixels) views.push_back(views_of_one.size(0));
    if (auto pictures = to_named(impl_->sizes(images), views)) {
      tensors.push_back(std::move(*pictures));
    }
    if (auto mode = to_named(impl_->info.compat)) tensors.push_back(std::move(*mode));
    impl_->compute->run(
        [&] { add_stages(*impl_, model.vision->forward(at::cat(pixels)), asked, tensors); });
    return tensors;
  });
}

std::vector<NamedTensor> Pipeline::features(const ImageFeatures& features,
                                            std::optional<std::string_view> instruction) const {
  return guarded([&] {
    const std::vector<SeenPicture>& pictures = features.impl_->pictures;
    impl_->check_made_for_model(*features.impl_);
    const auto asked = asked_about(*impl_, features.impl_->sizes(), instruction);
    std::vector<at::Tensor> rows;
    for (const SeenPicture& picture : pictures) rows.push_back(picture.rows);
    std::vector<NamedTensor> tensors;
    impl_->compute->run([&] { add_stages(*impl_, at::cat(rows), asked, tensors); });
    return tensors;
  });
}

TokenizedText Pipeline::tokenize(std::string_view text) const {
  return guarded([&] {
    Instruction instruction = impl_->prompts.read(text);
    return TokenizedText{std::move(instruction.language), std::move(instruction.qformer)};
  });
}

const ModelInfo& Pipeline::info() const noexcept { return impl_->info; }

CacheReport Pipeline::cache() const {
  return impl_->reader ? impl_->reader->usage() : CacheReport{};
}

void save_tensors(const std::filesystem::path& file, std::span<const NamedTensor> tensors) {
  std::vector<TensorToWrite> list;
  for (const NamedTensor& tensor : tensors) {
    list.push_back(
        {tensor.name, DType::f32, tensor.shape, std::as_bytes(std::span(tensor.values))});
  }
  guarded([&] { write_safetensors(file, list); });
}

}  // namespace instructblip
