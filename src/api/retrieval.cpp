#include "instructblip/retrieval.h"

#include <utility>

#include "api/backend.h"
#include "config/retrieval_config.h"
#include "core/boundary.h"

namespace instructblip {

std::int64_t ImageEncoding::queries() const { return impl_->queries; }
std::int64_t ImageEncoding::width() const { return impl_->width; }
std::span<const float> ImageEncoding::vectors() const { return impl_->vectors; }

std::int64_t TextEncoding::width() const { return std::ssize(impl_->vector); }
std::span<const float> TextEncoding::vector() const { return impl_->vector; }
std::span<const std::int32_t> TextEncoding::tokens() const { return impl_->tokens; }

ImageTextMatcher::ImageTextMatcher(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
ImageTextMatcher::ImageTextMatcher(ImageTextMatcher&&) noexcept = default;
ImageTextMatcher& ImageTextMatcher::operator=(ImageTextMatcher&&) noexcept = default;
ImageTextMatcher::~ImageTextMatcher() = default;

ImageTextMatcher ImageTextMatcher::load(const std::filesystem::path& checkpoint_dir,
                                        const LoadOptions& options) {
  return at_boundary(
      [&] { return ImageTextMatcher(backend().load_matcher(checkpoint_dir, options)); });
}

bool ImageTextMatcher::reads(const std::filesystem::path& checkpoint_dir) {
  return at_boundary([&] { return is_retrieval_config(checkpoint_dir); });
}

ImageEncoding ImageTextMatcher::encode(const Image& image) const { return impl_->encode(image); }
TextEncoding ImageTextMatcher::encode(std::string_view text) const { return impl_->encode(text); }

float ImageTextMatcher::similarity(const ImageEncoding& image, const TextEncoding& text) const {
  return similarities({&image, 1}, {&text, 1}).front();
}

float ImageTextMatcher::similarity(const Image& image, std::string_view text) const {
  const TextEncoding words = encode(text);  // refused before the picture is looked at
  return similarity(encode(image), words);
}

std::vector<float> ImageTextMatcher::similarities(std::span<const ImageEncoding> images,
                                                  std::span<const TextEncoding> texts) const {
  return impl_->similarities(images, texts);
}

Match ImageTextMatcher::match(const ImageEncoding& image, const TextEncoding& text) const {
  return impl_->match(image, text);
}

Match ImageTextMatcher::match(const Image& image, std::string_view text) const {
  return impl_->match(image, text);
}

std::vector<NamedTensor> ImageTextMatcher::features(const Image& image,
                                                    std::string_view text) const {
  return impl_->features(image, text);
}

const ModelInfo& ImageTextMatcher::info() const noexcept { return impl_->info(); }

}  // namespace instructblip
