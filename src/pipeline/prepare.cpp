#include "pipeline/prepare.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "core/stopwatch.h"
#include "decoding/options.h"
#include "pipeline/tensors.h"

namespace instructblip {
namespace {

void add_once(std::vector<std::int32_t>& ids, std::optional<std::int32_t> id) {
  if (id && std::ranges::find(ids, *id) == ids.end()) ids.push_back(*id);
}

// The prompt and its candidates fit into the language model. A longer answer than fits is refused
// where it passes the end; it may stop before.
void check_positions(const ModelParts& model, const Prompt& prompt,
                     const std::vector<CandidateTokens>& candidates) {
  const auto most = model.loaded().language->max_positions();
  const auto taken = std::ssize(prompt.ids);
  for (std::size_t i = 0; most && i < candidates.size(); ++i) {
    const std::int64_t read = std::ssize(candidates[i]) - 1;  // the last one is not
    if (taken > *most || taken + read <= *most) continue;
    throw Error(ErrorCode::invalid_argument,
                "a candidate of " + std::to_string(read + 1) + " tokens behind a prompt of " +
                    std::to_string(taken) + " needs " + std::to_string(taken + read) +
                    " positions, expected at most " + std::to_string(*most) + ", " +
                    model.positions_limit);
  }
  if (!most || taken <= *most) return;
  throw Error(ErrorCode::invalid_argument,
              "the prompt has " + std::to_string(prompt.ids.size()) +
                  " positions, pictures included, expected at most " + std::to_string(*most) +
                  ", " + model.positions_limit,
              "shorten the instruction: no text is cut in silence");
}

// What decoding is told; the job adds who is to be called back.
DecodeRequest decoding_of(const ModelParts& model, const GenerationConfig& asked,
                          const Prompt& prompt) {
  const auto& stand_in = model.generation_defaults.stands_for_prompt;
  std::vector<std::int32_t> history = model.loaded().language->history(
      stand_in ? std::span(&*stand_in, 1) : std::span<const std::int32_t>(prompt.ids));
  DecodeRequest decoding{
      .options = resolve_options(asked, model.generation_defaults,
                                 static_cast<std::int64_t>(history.size())),
      .stop_ids = model.info.stop_tokens,
      .prompt_ids = std::move(history),
      .beam_scorer = model.generation_defaults.beam_scorer,
      .bad_words_from_first_id = model.generation_defaults.bad_words_from_first_id};
  if (decoding.options.stop_at_tokenizer_eos) {
    add_once(decoding.stop_ids, model.prompts.tokenizer().eos());
  }
  return decoding;
}

// All of a job but the pictures that are to be resized.
std::shared_ptr<Job> job_of(const ModelParts& model, Prompt prompt, const Request& request,
                            Caller caller, std::vector<CandidateTokens> candidates) {
  DecodeRequest decoding = decoding_of(model, request.options, prompt);
  auto job = std::make_shared<Job>(model, std::move(prompt), std::move(decoding),
                                   std::move(candidates), std::move(caller));
  const std::optional<ImageFeatures>& features = request.pictures.features();
  if (features && !job->prompt().places.empty()) job->pictures = encoded(*features).pictures;
  return job;
}

std::vector<at::Tensor> views_of(const ModelParts& model, std::span<const Image> images,
                                 kernels::Queue& queue) {
  if (images.empty()) {
    throw Error(ErrorCode::invalid_argument, "no picture was given, expected one at least");
  }
  std::vector<at::Tensor> views;
  for (const std::size_t i : model.image_processor.picked(images.size())) {
    views.push_back(to_views(model.image_processor, images[i], queue));
  }
  return views;
}

bool is_video(const Pictures& pictures) {
  return pictures.features() ? encoded(*pictures.features()).is_video : pictures.are_frames();
}

}  // namespace

Prompt prompt_of(const ModelParts& model, const Request& request,
                 const std::vector<CandidateTokens>& candidates) {
  std::vector<PictureSize> pictures = sizes_of(model, request.pictures);
  validate_options(request.options);
  model.loaded();
  std::vector<std::int64_t> rows;
  for (const PictureSize& picture : pictures) rows.push_back(model.geometry.rows_of(picture));
  Prompt prompt =
      model.prompts.with_pictures(model.prompts.read(request.instruction, request.qformer_text),
                                  std::move(rows), is_video(request.pictures));
  prompt.pictures = std::move(pictures);
  check_positions(model, prompt, candidates);
  return prompt;
}

std::vector<at::Tensor> views_of(const ModelParts& model, std::span<const Image> images) {
  nn::Runtime& processor = model.runtime->processor();
  return processor.run([&] { return views_of(model, images, processor.queue()); });
}

std::vector<PictureSize> sizes_of(const ModelParts& model, const Pictures& pictures) {
  if (pictures.features()) return encoded(*pictures.features()).sizes();
  const std::span<const Image> images = pictures.images();
  std::vector<PictureSize> sizes;
  for (const std::size_t i : model.image_processor.picked(images.size())) {
    sizes.push_back(model.image_processor.size_of(images[i]));
  }
  return sizes;
}

std::int64_t view_bytes(const ModelParts& model, const Pictures& pictures) {
  if (pictures.features()) return 0;
  std::int64_t views = 0;
  for (const PictureSize& size : sizes_of(model, pictures)) views += model.geometry.views_of(size);
  return views * 3 * model.image_processor.height() * model.image_processor.width();
}

void check_made_for(const ModelParts& model, const EncodedPictures& features) {
  model.loaded();
  if (features.compat != model.info.compat) {
    throw Error(ErrorCode::invalid_argument,
                "the features were encoded with compat " + std::string(to_string(features.compat)) +
                    ", expected " + std::string(to_string(model.info.compat)),
                "encode the picture again, or load the model with that compat");
  }
  for (const EncodedPicture& picture : features.pictures) {
    const std::int64_t views = model.geometry.views_of(picture.size);
    if (picture.rows.size(0) == views) continue;
    throw Error(ErrorCode::invalid_argument,
                "the features have " + std::to_string(picture.rows.size(0)) +
                    " views of a picture of " + std::to_string(picture.size.width) + " x " +
                    std::to_string(picture.size.height) + " pixels, expected " +
                    std::to_string(views),
                "they were encoded by another model");
  }
  const at::Tensor& rows = features.pictures.front().rows;  // the others have the same width
  const std::int64_t positions = model.geometry.positions(), width = model.geometry.width();
  if (rows.size(1) == positions && rows.size(2) == width) return;
  const auto size = [](std::int64_t count, std::int64_t each) {
    return std::to_string(count) + " rows, " + std::to_string(each) + " wide";
  };
  throw Error(ErrorCode::invalid_argument,
              "the features have " + size(rows.size(1), rows.size(2)) + ", expected " +
                  size(positions, width),
              "they were encoded by another model");
}

std::function<ImageFeatures()> encoding_of(const ModelParts& model, const Pictures& pictures) {
  if (const std::optional<ImageFeatures>& features = pictures.features()) {
    check_made_for(model, encoded(*features));
    return [given = *features] { return given; };
  }
  model.loaded();
  return [&model, sizes = sizes_of(model, pictures), views = views_of(model, pictures.images()),
          frames = pictures.are_frames()] {
    auto encoded = std::make_shared<EncodedPictures>();
    encoded->compat = model.info.compat;
    encoded->is_video = frames;
    model.runtime->run([&] {
      for (const ImageReader::VisionOutput& output : model.reader->encode(views)) {
        encoded->pictures.push_back(output.picture);
      }
    });
    for (std::size_t i = 0; i < sizes.size(); ++i) encoded->pictures[i].size = sizes[i];
    return ImageFeatures(std::move(encoded));
  };
}

ImageFeatures encode_pictures(const ModelParts& model, const Pictures& pictures) {
  return encoding_of(model, pictures)();
}

std::shared_ptr<Job> prepare_without_pictures(const ModelParts& model, const Request& request,
                                              Caller caller,
                                              std::vector<CandidateTokens> candidates) {
  Prompt prompt =
      model.prompts.without_pictures(model.prompts.read(request.instruction, request.qformer_text));
  check_positions(model, prompt, candidates);
  return make_job(model, std::move(prompt), request, std::move(caller), std::move(candidates));
}

void check(const ModelParts& model, const Request& request,
           const std::vector<CandidateTokens>& candidates) {
  if (request.pictures.features()) check_made_for(model, encoded(*request.pictures.features()));
  prompt_of(model, request, candidates);
}

std::shared_ptr<Job> prepare_text(const ModelParts& model, const Request& request, Caller caller,
                                  std::vector<CandidateTokens> candidates) {
  const std::optional<ImageFeatures>& features = request.pictures.features();
  if (features) check_made_for(model, encoded(*features));
  Prompt prompt = prompt_of(model, request, candidates);
  return job_of(model, std::move(prompt), request, std::move(caller), std::move(candidates));
}

std::shared_ptr<Job> prepare(const ModelParts& model, const Request& request, Caller caller,
                             std::vector<CandidateTokens> candidates) {
  auto job = prepare_text(model, request, std::move(caller), std::move(candidates));
  add_pictures(model, request, *job);
  return job;
}

void add_pictures(const ModelParts& model, const Request& request, Job& job) {
  if (job.prompt().places.empty() || request.pictures.features()) return;
  nn::Runtime& processor = model.runtime->processor();
  processor.run([&] {
    if (!job.goes_on()) return;  // stopped, or late, while the requests before it were served
    Stopwatch watch;
    job.views = views_of(model, request.pictures.images(), processor.queue());
    job.timings.image = watch.lap_ms();
  });
}

std::shared_ptr<Job> make_job(const ModelParts& model, Prompt prompt, const Request& request,
                              Caller caller, std::vector<CandidateTokens> candidates) {
  auto job = job_of(model, std::move(prompt), request, std::move(caller), std::move(candidates));
  add_pictures(model, request, *job);
  return job;
}

}  // namespace instructblip
