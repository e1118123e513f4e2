#include "pipeline/model.h"

#include <ATen/ops/cat.h>

#include <string>
#include <utility>

#include "decoding/options.h"
#include "interface/stopwatch.h"
#include "interface/tensors.h"
#include "pipeline/job.h"

namespace instructblip {
namespace {

// None where features are given.
std::span<const Image> images_of(const Request& request) {
  if (request.features) return {};
  return request.images.empty() ? std::span(&request.image, 1) : std::span(request.images);
}

// Visual rows [1, B Q, L] for embeddings of `width` E, which is below L in some OPT configurations:
// the reference fills the places of the rows with as many of their numbers as go in, one run for
// all rows.
at::Tensor fitted(const at::Tensor& rows, std::int64_t width) {
  if (rows.size(2) == width) return rows;
  const std::int64_t count = rows.size(1);
  return rows.reshape({-1}).narrow(0, 0, count * width).view({1, count, width});
}

}  // namespace

const Stages& Model::loaded() const {
  if (stages) return *stages;
  throw Error(ErrorCode::invalid_argument,
              "the pipeline was loaded without weights, expected them for all but info() and "
              "tokenize()",
              "load it with LoadOptions::weights set");
}

std::vector<at::Tensor> Model::pixels(std::span<const Image> images) const {
  if (images.empty()) {
    throw Error(ErrorCode::invalid_argument, "no picture was given, expected one at least");
  }
  std::vector<at::Tensor> pixels;
  for (const std::size_t i : image_processor.picked(images.size())) {
    pixels.push_back(to_pixels(image_processor, images.subspan(i, 1)));
  }
  return pixels;
}

std::vector<PictureSize> Model::sizes(std::span<const Image> images) const {
  std::vector<PictureSize> sizes;
  for (const std::size_t i : image_processor.picked(images.size())) {
    sizes.push_back(image_processor.size_of(images[i]));
  }
  return sizes;
}

EncodedPictures Model::encode(std::span<const Image> images) const {
  const std::vector<at::Tensor> all = pixels(images);
  loaded();
  EncodedPictures encoded;
  encoded.compat = info.compat;
  runtime->run([&] {
    for (const ImageReader::VisionOutput& seen : reader->encode(all)) {
      encoded.pictures.push_back(seen.picture);
    }
  });
  for (std::size_t i = 0; i < images.size(); ++i) {
    encoded.pictures[i].size = image_processor.size_of(images[i]);
  }
  return encoded;
}

std::int64_t Model::pixel_bytes(const Request& request) const {
  std::int64_t views = 0;
  for (const PictureSize& size : sizes(images_of(request))) {
    views += loaded().projection->views_of(size);
  }
  const std::int64_t values = 3 * image_processor.height() * image_processor.width();
  return views * values * static_cast<std::int64_t>(sizeof(float));
}

std::vector<PictureSize> EncodedPictures::sizes() const {
  std::vector<PictureSize> sizes;
  for (const EncodedPicture& picture : pictures) sizes.push_back(picture.size);
  return sizes;
}

at::Tensor Model::project(const at::Tensor& rows, std::span<const PictureSize> pictures) const {
  const Projection& projection = *loaded().projection;
  return projection.arrange(projection.forward(rows), pictures);
}

at::Tensor Model::embed(const Prompt& prompt, const at::Tensor& prefix) const {
  const std::span<const std::int32_t> text = prompt.instruction.language;
  const at::Tensor visual = fitted(prefix, loaded().language->width());  // [1, B Q, E]
  std::vector<at::Tensor> parts;
  const auto add_text = [&](std::size_t begin, std::size_t end) {
    if (begin < end) parts.push_back(loaded().language->embed(text.subspan(begin, end - begin)));
  };
  std::size_t read = 0;
  std::int64_t seen = 0;
  for (std::size_t i = 0; i < prompt.places.size(); ++i) {
    add_text(read, prompt.places[i]);
    parts.push_back(visual.narrow(1, seen, prompt.rows[i]));
    seen += prompt.rows[i];
    read = prompt.places[i];
  }
  add_text(read, text.size());
  return at::cat(parts, 1);
}

// A longer answer than fits is refused where it passes the end; it may stop before.
void Model::check_positions(const Question& question) const {
  const auto most = loaded().language->max_positions();
  const Prompt& prompt = question.prompt;
  const auto taken = std::ssize(prompt.ids);
  for (std::size_t i = 0; most && i < question.candidates.size(); ++i) {
    const std::int64_t read = std::ssize(question.candidates[i]) - 1;  // the last one is not
    if (taken > *most || taken + read <= *most) continue;
    throw Error(ErrorCode::invalid_argument,
                "a candidate of " + std::to_string(read + 1) + " tokens behind a prompt of " +
                    std::to_string(taken) + " needs " + std::to_string(taken + read) +
                    " positions, expected at most " + std::to_string(*most) + ", " +
                    positions_limit);
  }
  if (!most || taken <= *most) return;
  throw Error(ErrorCode::invalid_argument,
              "the prompt has " + std::to_string(prompt.ids.size()) +
                  " positions, pictures included, expected at most " + std::to_string(*most) +
                  ", " + positions_limit,
              "shorten the instruction: no text is cut in silence");
}

Model::Question Model::question(Asked asked, std::vector<PictureSize> pictures) const {
  validate_options(asked.options);
  Question question;
  std::vector<std::int64_t> rows;
  for (const PictureSize& picture : pictures) rows.push_back(loaded().rows_of(picture));
  question.prompt = prompts.with_pictures(prompts.read(asked.instruction), std::move(rows));
  question.prompt.pictures = std::move(pictures);
  question.candidates = std::move(asked.candidates);
  check_positions(question);
  const auto& stand_in = generation_defaults.stands_for_prompt;
  question.history = loaded().language->history(
      stand_in ? std::span(&*stand_in, 1) : std::span<const std::int32_t>(question.prompt.ids));
  question.options = resolve_options(asked.options, generation_defaults,
                                     static_cast<std::int64_t>(question.history.size()));
  return question;
}

void Model::check_made_for_model(const EncodedPictures& features) const {
  const VisionEncoder& encoder = *loaded().vision;
  if (features.compat != info.compat) {
    throw Error(ErrorCode::invalid_argument,
                "the features were encoded with compat " + std::string(to_string(features.compat)) +
                    ", expected " + std::string(to_string(info.compat)),
                "encode the picture again, or load the model with that compat");
  }
  for (const EncodedPicture& picture : features.pictures) {
    const std::int64_t views = loaded().projection->views_of(picture.size);
    if (picture.rows.size(0) == views) continue;
    throw Error(ErrorCode::invalid_argument,
                "the features have " + std::to_string(picture.rows.size(0)) +
                    " views of a picture of " + std::to_string(picture.size.width) + " x " +
                    std::to_string(picture.size.height) + " pixels, expected " +
                    std::to_string(views),
                "they were encoded by another model");
  }
  const at::Tensor& rows = features.pictures.front().rows;  // the others have the same width
  if (rows.size(1) == encoder.positions() && rows.size(2) == encoder.width()) return;
  const auto size = [](std::int64_t count, std::int64_t width) {
    return std::to_string(count) + " rows, " + std::to_string(width) + " wide";
  };
  throw Error(ErrorCode::invalid_argument,
              "the features have " + size(rows.size(1), rows.size(2)) + ", expected " +
                  size(encoder.positions(), encoder.width()),
              "they were encoded by another model");
}

std::shared_ptr<Job> Model::job(std::span<const Image> images, Asked asked, const Control& control,
                                std::size_t number) const {
  // What costs nothing to refuse is refused before a picture is looked at.
  auto job =
      std::make_shared<Job>(*this, question(std::move(asked), sizes(images)), control, number);
  if (!job->goes_on()) return job;  // stopped, or late, while the requests before it were served
  Stopwatch watch;
  job->pixels = pixels(images);
  job->timings.image = watch.lap_ms();
  return job;
}

std::shared_ptr<Job> Model::job(const EncodedPictures& features, Asked asked,
                                const Control& control, std::size_t number) const {
  check_made_for_model(features);
  auto job =
      std::make_shared<Job>(*this, question(std::move(asked), features.sizes()), control, number);
  job->pictures = features.pictures;
  return job;
}

std::shared_ptr<Job> Model::job(const Request& request, const Control& control,
                                std::size_t number) const {
  const Asked asked{request.instruction, request.options};
  if (request.features) return job(encoded(*request.features), asked, control, number);
  return job(images_of(request), asked, control, number);
}

}  // namespace instructblip
