#include "retrieval/loaded_matcher.h"

#include <ATen/ops/cat.h>

#include <algorithm>
#include <string>
#include <utility>

#include "core/boundary.h"
#include "core/errors.h"
#include "core/own_process.h"
#include "nn/pixel_values.h"
#include "nn/similarity.h"
#include "pipeline/tensors.h"
#include "text/text_checks.h"

namespace instructblip {
namespace {

std::span<const float> values_of(const at::Tensor& tensor) {
  return {tensor.const_data_ptr<float>(), static_cast<std::size_t>(tensor.numel())};
}

[[noreturn]] void refuse(const std::string& what, const std::string& found,
                         const std::string& expected) {
  throw Error(ErrorCode::invalid_argument,
              "the " + what + " has " + found + ", expected " + expected,
              "it was encoded by another model");
}

std::string rows(std::int64_t count, std::int64_t width) {
  return std::to_string(count) + " rows, " + std::to_string(width) + " wide";
}

struct EncodedPicture final : ImageEncoding::Impl {
  EncodedPicture(at::Tensor visual_rows, at::Tensor unit_rows)
      : visual(std::move(visual_rows)), embedded(std::move(unit_rows)) {
    queries = embedded.size(1);
    width = embedded.size(2);
    vectors = values_of(embedded);
  }
  at::Tensor visual;    // [1, P, V], where the runtime has its tensors
  at::Tensor embedded;  // [1, Q, S], contiguous, in the host's memory
};

struct EncodedText final : TextEncoding::Impl {
  EncodedText(std::vector<std::int32_t> ids, at::Tensor unit_row) : embedded(std::move(unit_row)) {
    tokens = std::move(ids);
    vector = values_of(embedded);
  }
  at::Tensor embedded;  // [1, S], contiguous, in the host's memory
};

// Nobody else makes such encodings.
const EncodedPicture& encoded(const ImageEncoding& image) {
  return static_cast<const EncodedPicture&>(image.impl());
}
const EncodedText& encoded(const TextEncoding& text) {
  return static_cast<const EncodedText&>(text.impl());
}

// See ImageTextMatcher.
class LoadedMatcher final : public ImageTextMatcher::Impl {
 public:
  explicit LoadedMatcher(MatcherParts parts)
      : parts_(std::move(parts)), values_(*parts_.runtime, parts_.image_processor.values()) {}

  ImageEncoding encode(const Image& image) const override;
  TextEncoding encode(std::string_view text) const override;
  std::vector<float> similarities(std::span<const ImageEncoding> images,
                                  std::span<const TextEncoding> texts) const override;
  Match match(const ImageEncoding& image, const TextEncoding& text) const override;
  Match match(const Image& image, std::string_view text) const override;
  std::vector<NamedTensor> features(const Image& image, std::string_view text) const override;
  const ModelInfo& info() const noexcept override { return parts_.info; }

 private:
  // Throws Error(invalid_argument) where there are none.
  const RetrievalStages& model() const;

  std::vector<std::int32_t> read(std::string_view text) const;
  at::Tensor views_of(const Image& image) const;     // [1, H, W, 3] uint8
  at::Tensor vision_rows(const Image& image) const;  // [1, P, V]
  Match match(const at::Tensor& visual, std::span<const std::int32_t> text) const;
  // Throws Error(invalid_argument) for encodings of another model, where their sizes tell.
  void check(const EncodedPicture& image) const;
  void check(const EncodedText& text) const;

  MatcherParts parts_;
  nn::PixelValues values_;
};

const RetrievalStages& LoadedMatcher::model() const {
  if (parts_.stages) return *parts_.stages;
  throw Error(ErrorCode::invalid_argument,
              "the matcher was loaded without weights, expected them for all but info()",
              "load it with LoadOptions::weights set");
}

std::vector<std::int32_t> LoadedMatcher::read(std::string_view text) const {
  check_text(text, "text");
  if (text.find(kImageMarker) != std::string_view::npos) {
    throw Error(ErrorCode::invalid_argument,
                "the text holds the literal " + std::string(kImageMarker) +
                    ", which stands for the picture itself",
                "leave it out");
  }
  std::vector<std::int32_t> tokens = parts_.tokenizer->encode(text);
  const TextReader reader{"text", "Q-Former"};
  if (parts_.text_limit) cut_to(*parts_.text_limit, tokens, reader);
  check_length(tokens.size(), parts_.max_tokens, reader);
  check_ids(*parts_.tokenizer, tokens, parts_.words);
  if (tokens.empty()) {
    throw Error(ErrorCode::invalid_argument,
                "the text becomes no tokens, expected one at least: the tokenizer adds none");
  }
  return tokens;
}

at::Tensor LoadedMatcher::views_of(const Image& image) const {
  nn::Runtime& processor = parts_.runtime->processor();
  return processor.run([&] { return to_views(parts_.image_processor, image, processor.queue()); });
}

at::Tensor LoadedMatcher::vision_rows(const Image& image) const {
  const at::Tensor views = views_of(image);
  return parts_.runtime->run(
      [&] { return finite(model().vision().forward(values_(views)), "vision encoder"); });
}

Match LoadedMatcher::match(const at::Tensor& visual, std::span<const std::int32_t> text) const {
  return parts_.runtime->run([&] {
    const at::Tensor logits =
        nn::to_host(finite(model().matching_logits(model().fuse(text, visual)), "Q-Former"));
    const at::Tensor probabilities = nn::probabilities(logits);
    Match match;
    std::ranges::copy(values_of(logits.contiguous()), match.logits.begin());
    match.probability = values_of(probabilities.contiguous())[1];
    return match;
  });
}

void LoadedMatcher::check(const EncodedPicture& image) const {
  const VisionEncoder& encoder = model().vision();
  if (image.visual.size(1) != encoder.positions() || image.visual.size(2) != encoder.width()) {
    refuse("picture", rows(image.visual.size(1), image.visual.size(2)),
           rows(encoder.positions(), encoder.width()));
  }
  if (image.embedded.size(1) != parts_.info.query_tokens ||
      image.embedded.size(2) != parts_.info.shared_width) {
    refuse("picture", rows(image.embedded.size(1), image.embedded.size(2)),
           rows(parts_.info.query_tokens, parts_.info.shared_width));
  }
}

void LoadedMatcher::check(const EncodedText& text) const {
  const std::int64_t width = text.embedded.size(1);
  if (width == parts_.info.shared_width) return;
  refuse("text", "a vector " + std::to_string(width) + " wide",
         std::to_string(parts_.info.shared_width));
}

ImageEncoding LoadedMatcher::encode(const Image& image) const {
  return at_boundary([&] {
    at::Tensor visual = vision_rows(image);
    at::Tensor embedded = parts_.runtime->run(
        [&] { return nn::to_host(finite(model().embed_image(visual), "Q-Former")).contiguous(); });
    return ImageEncoding(
        std::make_shared<const EncodedPicture>(std::move(visual), std::move(embedded)));
  });
}

TextEncoding LoadedMatcher::encode(std::string_view text) const {
  return at_boundary([&] {
    std::vector<std::int32_t> tokens = read(text);
    at::Tensor embedded = parts_.runtime->run(
        [&] { return nn::to_host(finite(model().embed_text(tokens), "Q-Former")).contiguous(); });
    return TextEncoding(
        std::make_shared<const EncodedText>(std::move(tokens), std::move(embedded)));
  });
}

std::vector<float> LoadedMatcher::similarities(std::span<const ImageEncoding> images,
                                               std::span<const TextEncoding> texts) const {
  return at_boundary([&] {
    for (const ImageEncoding& image : images) check(encoded(image));
    for (const TextEncoding& text : texts) check(encoded(text));
    std::vector<float> matrix;
    if (images.empty() || texts.empty()) return matrix;
    matrix.reserve(images.size() * texts.size());
    parts_.runtime->run([&] {
      std::vector<at::Tensor> vectors;
      for (const TextEncoding& text : texts) vectors.push_back(encoded(text).embedded);
      const nn::Runtime& runtime = *parts_.runtime;
      const at::Tensor all = runtime.upload(at::cat(vectors));  // [N, S]
      for (const ImageEncoding& image : images) {
        const at::Tensor picture = runtime.upload(encoded(image).embedded);
        const at::Tensor row =
            nn::to_host(nn::greatest_cosines(runtime, picture, all)).contiguous();
        const std::span<const float> values = values_of(row);
        matrix.insert(matrix.end(), values.begin(), values.end());
      }
    });
    return matrix;
  });
}

Match LoadedMatcher::match(const ImageEncoding& image, const TextEncoding& text) const {
  return at_boundary([&] {
    check(encoded(image));
    check(encoded(text));
    return match(encoded(image).visual, text.tokens());
  });
}

Match LoadedMatcher::match(const Image& image, std::string_view text) const {
  return at_boundary([&] {
    const std::vector<std::int32_t> tokens = read(text);
    return match(vision_rows(image), tokens);
  });
}

std::vector<NamedTensor> LoadedMatcher::features(const Image& image, std::string_view text) const {
  return at_boundary([&] {
    const RetrievalStages& stages = model();
    const std::vector<std::int32_t> tokens = read(text);
    const at::Tensor views = views_of(image);
    return parts_.runtime->run([&] {
      const at::Tensor visual = stages.vision().forward(values_(views));
      const at::Tensor picture = stages.embed_image(visual);
      const at::Tensor words = stages.embed_text(tokens);
      const at::Tensor queries = stages.fuse(tokens, visual);
      return std::vector<NamedTensor>{
          to_named("pixel_values", values_.here(views)),
          to_named("vision", visual),
          to_named("image_embeds", picture),
          to_named("text_embeds", words),
          to_named("similarity", nn::greatest_cosines(*parts_.runtime, picture, words)),
          to_named("qformer", queries),
          to_named("match", stages.matching_logits(queries)),
      };
    });
  });
}

}  // namespace

std::shared_ptr<const ImageTextMatcher::Impl> make_matcher(MatcherParts parts) {
  return {new LoadedMatcher(std::move(parts)), DeleteInOwnProcess()};
}

}  // namespace instructblip
