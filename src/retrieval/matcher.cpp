#include <ATen/ops/cat.h>
#include <ATen/ops/softmax.h>

#include <algorithm>
#include <string>
#include <utility>

#include "core/errors.h"
#include "instructblip/retrieval.h"
#include "interface/guarded.h"
#include "interface/tensors.h"
#include "interface/text_checks.h"
#include "retrieval/matcher_impl.h"

namespace instructblip {
namespace {

// The reference's processor makes it a token that stands for a row of the picture.
constexpr std::string_view kImageMarker = "<image>";

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

}  // namespace

const RetrievalStages& ImageTextMatcher::Impl::model() const {
  if (stages) return *stages;
  throw Error(ErrorCode::invalid_argument,
              "the matcher was loaded without weights, expected them for all but info()",
              "load it with LoadOptions::weights set");
}

std::vector<std::int32_t> ImageTextMatcher::Impl::read(std::string_view text) const {
  check_text(text, "text");
  if (text.find(kImageMarker) != std::string_view::npos) {
    throw Error(ErrorCode::invalid_argument,
                "the text holds the literal " + std::string(kImageMarker) +
                    ", which stands for the picture itself",
                "leave it out");
  }
  std::vector<std::int32_t> tokens = tokenizer->encode(text);
  const TextReader reader{"text", "Q-Former"};
  if (text_limit) cut_to(*text_limit, tokens, reader);
  check_length(tokens.size(), max_tokens, reader);
  if (tokens.empty()) {
    throw Error(ErrorCode::invalid_argument,
                "the text becomes no tokens, expected one at least: the tokenizer adds none");
  }
  return tokens;
}

at::Tensor ImageTextMatcher::Impl::see(const Image& image) const {
  const at::Tensor pixels = to_pixels(image_processor, {&image, 1});
  return compute->run([&] { return finite(model().vision().forward(pixels), "vision encoder"); });
}

Match ImageTextMatcher::Impl::match(const at::Tensor& visual,
                                    std::span<const std::int32_t> text) const {
  return compute->run([&] {
    const at::Tensor logits = finite(model().judge(model().look(text, visual)), "Q-Former");
    const at::Tensor probabilities = at::softmax(logits, -1);
    Match match;
    std::ranges::copy(values_of(logits.contiguous()), match.logits.begin());
    match.probability = values_of(probabilities.contiguous())[1];
    return match;
  });
}

void ImageTextMatcher::Impl::check(const ImageEncoding::Impl& image) const {
  const VisionEncoder& encoder = model().vision();
  if (image.visual.size(1) != encoder.positions() || image.visual.size(2) != encoder.width()) {
    refuse("picture", rows(image.visual.size(1), image.visual.size(2)),
           rows(encoder.positions(), encoder.width()));
  }
  if (image.embedded.size(1) != info.query_tokens || image.embedded.size(2) != info.shared_width) {
    refuse("picture", rows(image.embedded.size(1), image.embedded.size(2)),
           rows(info.query_tokens, info.shared_width));
  }
}

void ImageTextMatcher::Impl::check(const TextEncoding::Impl& text) const {
  const std::int64_t width = text.embedded.size(1);
  if (width == info.shared_width) return;
  refuse("text", "a vector " + std::to_string(width) + " wide", std::to_string(info.shared_width));
}

// --- the public calls

ImageTextMatcher::ImageTextMatcher(std::unique_ptr<const Impl> impl) : impl_(std::move(impl)) {}
ImageTextMatcher::ImageTextMatcher(ImageTextMatcher&&) noexcept = default;
ImageTextMatcher& ImageTextMatcher::operator=(ImageTextMatcher&&) noexcept = default;
ImageTextMatcher::~ImageTextMatcher() = default;

ImageEncoding ImageTextMatcher::encode(const Image& image) const {
  return guarded([&] {
    ImageEncoding::Impl encoding;
    encoding.visual = impl_->see(image);
    encoding.embedded = impl_->compute->run([&] {
      return finite(impl_->model().embed_image(encoding.visual), "Q-Former").contiguous();
    });
    return ImageEncoding(std::make_shared<const ImageEncoding::Impl>(std::move(encoding)));
  });
}

TextEncoding ImageTextMatcher::encode(std::string_view text) const {
  return guarded([&] {
    TextEncoding::Impl encoding{impl_->read(text), {}};
    encoding.embedded = impl_->compute->run([&] {
      return finite(impl_->model().embed_text(encoding.tokens), "Q-Former").contiguous();
    });
    return TextEncoding(std::make_shared<const TextEncoding::Impl>(std::move(encoding)));
  });
}

float ImageTextMatcher::similarity(const ImageEncoding& image, const TextEncoding& text) const {
  return similarities({&image, 1}, {&text, 1}).front();
}

float ImageTextMatcher::similarity(const Image& image, std::string_view text) const {
  const TextEncoding words = encode(text);  // refused before the picture is looked at
  return similarity(encode(image), words);
}

std::vector<float> ImageTextMatcher::similarities(std::span<const ImageEncoding> images,
                                                  std::span<const TextEncoding> texts) const {
  return guarded([&] {
    for (const ImageEncoding& image : images) impl_->check(*image.impl_);
    for (const TextEncoding& text : texts) impl_->check(*text.impl_);
    std::vector<float> matrix;
    if (images.empty() || texts.empty()) return matrix;
    matrix.reserve(images.size() * texts.size());
    impl_->compute->run([&] {
      std::vector<at::Tensor> vectors;
      for (const TextEncoding& text : texts) vectors.push_back(text.impl_->embedded);
      const at::Tensor all = at::cat(vectors);  // [N, S]
      for (const ImageEncoding& image : images) {
        const at::Tensor row = greatest_cosines(image.impl_->embedded, all).contiguous();
        const std::span<const float> values = values_of(row);
        matrix.insert(matrix.end(), values.begin(), values.end());
      }
    });
    return matrix;
  });
}

Match ImageTextMatcher::match(const ImageEncoding& image, const TextEncoding& text) const {
  return guarded([&] {
    impl_->check(*image.impl_);
    impl_->check(*text.impl_);
    return impl_->match(image.impl_->visual, text.impl_->tokens);
  });
}

Match ImageTextMatcher::match(const Image& image, std::string_view text) const {
  return guarded([&] {
    const std::vector<std::int32_t> tokens = impl_->read(text);
    return impl_->match(impl_->see(image), tokens);
  });
}

std::vector<NamedTensor> ImageTextMatcher::features(const Image& image,
                                                    std::string_view text) const {
  return guarded([&] {
    const RetrievalStages& model = impl_->model();
    const std::vector<std::int32_t> tokens = impl_->read(text);
    const at::Tensor pixels = to_pixels(impl_->image_processor, {&image, 1});
    return impl_->compute->run([&] {
      const at::Tensor visual = model.vision().forward(pixels);
      const at::Tensor picture = model.embed_image(visual);
      const at::Tensor words = model.embed_text(tokens);
      const at::Tensor queries = model.look(tokens, visual);
      return std::vector<NamedTensor>{
          to_named("pixel_values", pixels),
          to_named("vision", visual),
          to_named("image_embeds", picture),
          to_named("text_embeds", words),
          to_named("similarity", greatest_cosines(picture, words)),
          to_named("qformer", queries),
          to_named("match", model.judge(queries)),
      };
    });
  });
}

const ModelInfo& ImageTextMatcher::info() const noexcept { return impl_->info; }

std::int64_t ImageEncoding::queries() const { return impl_->embedded.size(1); }
std::int64_t ImageEncoding::width() const { return impl_->embedded.size(2); }
std::span<const float> ImageEncoding::vectors() const { return values_of(impl_->embedded); }

std::int64_t TextEncoding::width() const { return impl_->embedded.size(1); }
std::span<const float> TextEncoding::vector() const { return values_of(impl_->embedded); }
std::span<const std::int32_t> TextEncoding::tokens() const { return impl_->tokens; }

}  // namespace instructblip
