#include "instructblip/pipeline.h"

#include <ATen/ops/cat.h>

#include <algorithm>
#include <utility>

#include "checkpoint/safetensors_writer.h"
#include "core/errors.h"
#include "decoding/decode.h"
#include "decoding/options.h"
#include "interface/guarded.h"
#include "interface/stopwatch.h"
#include "interface/tensors.h"
#include "pipeline/impl.h"
#include "pipeline/language_adapter.h"
#include "pipeline/text_stream.h"

namespace instructblip {
namespace {

// Visual rows [1, B Q, L] for embeddings of `width` E, which is below L in some OPT configurations:
// the reference fills the places of the rows with as many of their numbers as go in, one run for
// all rows.
at::Tensor fitted(const at::Tensor& rows, std::int64_t width) {
  if (rows.size(2) == width) return rows;
  const std::int64_t count = rows.size(1);
  return rows.reshape({-1}).narrow(0, 0, count * width).view({1, count, width});
}

void add_once(std::vector<std::int32_t>& ids, std::optional<std::int32_t> id) {
  if (id && std::ranges::find(ids, *id) == ids.end()) ids.push_back(*id);
}

Sequence to_sequence(DecodedSequence decoded, const Tokenizer& tokenizer,
                     const std::vector<std::string>& stops) {
  TextStream stream(tokenizer, stops);
  Sequence sequence;
  for (const std::int32_t id : decoded.tokens) sequence.text += stream.put(id);
  sequence.text += stream.finish();
  sequence.tokens = std::move(decoded.tokens);
  sequence.finish_reason = decoded.finish_reason;
  sequence.score = decoded.score;
  sequence.logprobs = std::move(decoded.logprobs);
  return sequence;
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

const Stages& Pipeline::Impl::model() const {
  if (stages) return *stages;
  throw Error(ErrorCode::invalid_argument,
              "the pipeline was loaded without weights, expected them for all but info() and "
              "tokenize()",
              "load it with LoadOptions::weights set");
}

// --- the stages, in the order of the data

at::Tensor Pipeline::Impl::pixels(std::span<const Image> images) const {
  return to_pixels(image_processor, images);
}

ImageFeatures::Impl Pipeline::Impl::encode(std::span<const Image> images) const {
  if (images.empty()) {
    throw Error(ErrorCode::invalid_argument, "no picture was given, expected one at least");
  }
  Stopwatch watch;
  const at::Tensor values = pixels(images);  // [B, 3, H, W]
  ImageFeatures::Impl features;
  features.image_ms = watch.lap_ms();
  features.visual =
      compute->run([&] { return finite(model().vision->forward(values), "vision encoder"); });
  features.vision_ms = watch.lap_ms();
  return features;
}

at::Tensor Pipeline::Impl::read_image(const Instruction& instruction,
                                      const at::Tensor& visual) const {
  if (!model().qformer) return visual;
  return compute->run(
      [&] { return finite(model().qformer->forward(instruction.qformer, visual), "Q-Former"); });
}

at::Tensor Pipeline::Impl::project(const at::Tensor& rows) const {
  return compute->run([&] {
    const at::Tensor projected = model().projection->forward(rows);  // [B, Q, L]
    return projected.reshape({1, -1, projected.size(2)});            // one picture after the other
  });
}

at::Tensor Pipeline::Impl::embed(const Prompt& prompt, const at::Tensor& prefix) const {
  return compute->run([&] {
    const std::span<const std::int32_t> text = prompt.instruction.language;
    const std::int64_t rows = model().picture_rows;
    const at::Tensor visual = fitted(prefix, model().language->width());  // [1, B Q, E]
    std::vector<at::Tensor> parts;
    const auto add_text = [&](std::size_t begin, std::size_t end) {
      if (begin < end) parts.push_back(model().language->embed(text.subspan(begin, end - begin)));
    };
    std::size_t read = 0;
    for (std::size_t i = 0; i < prompt.places.size(); ++i) {
      add_text(read, prompt.places[i]);
      parts.push_back(visual.narrow(1, static_cast<std::int64_t>(i) * rows, rows));
      read = prompt.places[i];
    }
    add_text(read, text.size());
    return at::cat(parts, 1);
  });
}

// A longer answer than fits is refused where it passes the end; it may stop before.
void Pipeline::Impl::check_positions(const Prompt& prompt) const {
  const auto most = model().language->max_positions();
  if (!most || static_cast<std::int64_t>(prompt.ids.size()) <= *most) return;
  throw Error(ErrorCode::invalid_argument,
              "the prompt has " + std::to_string(prompt.ids.size()) +
                  " positions, pictures included, expected at most " + std::to_string(*most) +
                  ", as many as the language model has",
              "shorten the instruction: no text is cut in silence");
}

Pipeline::Impl::Question Pipeline::Impl::question(std::string_view instruction,
                                                  std::int64_t pictures,
                                                  const GenerationConfig& asked) const {
  validate_options(asked);
  Question question;
  question.prompt =
      prompts.with_pictures(prompts.read(instruction), pictures, model().picture_rows);
  check_positions(question.prompt);
  question.history = model().language->history(question.prompt.ids);
  question.options = resolve_options(asked, generation_defaults,
                                     static_cast<std::int64_t>(question.history.size()));
  return question;
}

Generation Pipeline::Impl::answer(const ImageFeatures::Impl& features, const Question& question,
                                  const Control& control) const {
  const auto& [prompt, history, options] = question;
  Generation generation;
  generation.options = options;
  generation.prompt_tokens = static_cast<int>(prompt.ids.size());
  generation.qformer_tokens = static_cast<int>(prompt.instruction.qformer.size());
  generation.timings.image = features.image_ms;
  generation.timings.vision = features.vision_ms;
  Stopwatch watch;

  const at::Tensor queries = read_image(prompt.instruction, features.visual);  // [B, Q, D]
  const at::Tensor prefix = project(queries);                                  // [1, B Q, L]
  generation.timings.qformer = watch.lap_ms();

  LanguageAdapter session(*compute, *model().language, embed(prompt, prefix));

  const Tokenizer& tokenizer = prompts.tokenizer();
  const bool one_row = *options.num_beams == 1 && *options.num_return_sequences == 1;
  TextStream stream(tokenizer, options.stop);
  const TextStopMatcher stops(options.stop, [&](std::span<const std::int32_t> tokens) {
    return tokenizer.decode(tokens, /*skip_special_tokens=*/true);
  });

  DecodeRequest request{.options = options, .stop_ids = info.stop_tokens, .prompt_ids = history};
  if (options.stop_at_tokenizer_eos) add_once(request.stop_ids, tokenizer.eos());
  if (!options.stop.empty()) request.stops = &stops;
  request.deadline = control.deadline;
  request.stop = control.stop;
  if (control.on_token) {
    request.on_step = [&](std::int32_t id) {
      const std::string piece = one_row ? stream.put(id) : "";
      return control.on_token({.id = id, .text = piece});
    };
  }
  DecodeResult decoded = decode(session, request);
  for (DecodedSequence& sequence : decoded.sequences) {
    generation.sequences.push_back(to_sequence(std::move(sequence), tokenizer, options.stop));
  }
  generation.timings.prefill = decoded.prefill_ms;
  generation.timings.decode = watch.lap_ms() - decoded.prefill_ms;

  if (control.on_token) {
    const std::string rest = one_row ? stream.finish() : generation.text();
    if (!rest.empty()) control.on_token({.id = -1, .text = rest});
  }
  return generation;
}

// --- the public calls

Pipeline::Pipeline(std::unique_ptr<const Impl> impl) : impl_(std::move(impl)) {}
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
    Stopwatch watch;
    // What costs nothing to refuse is refused before a picture is encoded.
    const Impl::Question question =
        impl_->question(instruction, static_cast<std::int64_t>(images.size()), config);
    const ImageFeatures::Impl features = impl_->encode(images);
    Generation generation = impl_->answer(features, question, control);
    generation.timings.load = impl_->info.load_ms;
    generation.timings.total = watch.lap_ms();
    return generation;
  });
}

Generation Pipeline::generate(const ImageFeatures& features, std::string_view instruction,
                              const GenerationConfig& config, const Control& control) const {
  return guarded([&] {
    Stopwatch watch;
    const ImageFeatures::Impl& given = *features.impl_;
    const VisionEncoder& encoder = *impl_->model().vision;
    if (given.visual.size(1) != encoder.positions() || given.visual.size(2) != encoder.width()) {
      const auto size = [](std::int64_t rows, std::int64_t width) {
        return std::to_string(rows) + " rows, " + std::to_string(width) + " wide";
      };
      throw Error(ErrorCode::invalid_argument,
                  "the features have " + size(given.visual.size(1), given.visual.size(2)) +
                      ", expected " + size(encoder.positions(), encoder.width()),
                  "they were encoded by another model");
    }
    const Impl::Question question = impl_->question(instruction, given.visual.size(0), config);
    Generation generation = impl_->answer({.visual = given.visual}, question, control);
    generation.timings.load = impl_->info.load_ms;
    generation.timings.total = watch.lap_ms();
    return generation;
  });
}

std::vector<Response> Pipeline::generate(std::span<const Request> requests,
                                         const Control& control) const {
  std::vector<Response> responses;
  responses.reserve(requests.size());
  for (const Request& request : requests) {
    Response& response = responses.emplace_back();
    try {
      const std::span<const Image> images =
          request.images.empty() ? std::span(&request.image, 1) : std::span(request.images);
      response.generation = generate(images, request.instruction, request.options, control);
    } catch (const Error& error) {
      response.error = error;
    }
  }
  return responses;
}

ImageFeatures Pipeline::encode(const Image& image) const { return encode(std::span(&image, 1)); }

ImageFeatures Pipeline::encode(std::span<const Image> images) const {
  return guarded([&] {
    return ImageFeatures(std::make_shared<const ImageFeatures::Impl>(impl_->encode(images)));
  });
}

std::vector<NamedTensor> Pipeline::features(const Image& image,
                                            std::optional<std::string_view> instruction) const {
  return features(std::span(&image, 1), instruction);
}

std::vector<NamedTensor> Pipeline::features(std::span<const Image> images,
                                            std::optional<std::string_view> instruction) const {
  return guarded([&] {
    const auto count = static_cast<std::int64_t>(images.size());
    std::optional<Impl::Question> asked;
    if (instruction) asked = impl_->question(*instruction, count, {});
    const at::Tensor pixels = impl_->pixels(images);
    const at::Tensor visual =
        impl_->compute->run([&] { return impl_->model().vision->forward(pixels); });
    std::vector<NamedTensor> tensors;
    tensors.push_back(to_named("pixel_values", pixels));
    tensors.push_back(to_named("vision", visual));
    if (!asked) return tensors;

    const at::Tensor queries = impl_->read_image(asked->prompt.instruction, visual);
    const at::Tensor prefix = impl_->project(queries);
    const at::Tensor prompt = impl_->embed(asked->prompt, prefix);
    const at::Tensor logits =
        impl_->compute->run([&] { return impl_->model().language->start(prompt)->prefill(); });
    if (impl_->model().qformer) tensors.push_back(to_named("qformer", queries));
    tensors.push_back(to_named("projection", prefix));
    tensors.push_back(to_named("logits", logits));
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

std::int64_t ImageFeatures::images() const { return impl_->visual.size(0); }
std::int64_t ImageFeatures::positions() const { return impl_->visual.size(1); }
std::int64_t ImageFeatures::width() const { return impl_->visual.size(2); }

void save_tensors(const std::filesystem::path& file, std::span<const NamedTensor> tensors) {
  std::vector<TensorToWrite> list;
  for (const NamedTensor& tensor : tensors) {
    list.push_back(
        {tensor.name, DType::f32, tensor.shape, std::as_bytes(std::span(tensor.values))});
  }
  guarded([&] { write_safetensors(file, list); });
}

}  // namespace instructblip
