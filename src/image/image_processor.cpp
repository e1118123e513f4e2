#include "image/image_processor.h"

#include <cmath>
#include <cstddef>
#include <string>

#include "core/limits.h"
#include "image/resize.h"
#include "instructblip/error.h"

namespace instructblip {
namespace {

constexpr int kBicubic = 3;  // PIL's number

void check(const ImageConfig& config) {
  const auto fail = [](const std::string& what) {
    throw Error(ErrorCode::bad_model, "image settings: " + what);
  };
  for (const std::int64_t side : {config.height, config.width}) {
    if (side < 1 || side > limits::kImageSide) {
      fail("size is " + std::to_string(config.height) + " x " + std::to_string(config.width) +
           ", expected sides of 1 to " + std::to_string(limits::kImageSide));
    }
  }
  if (config.resize && config.resample != kBicubic) {
    fail("resample is " + std::to_string(config.resample) + ", expected 3, bicubic");
  }
  for (std::size_t c = 0; config.normalize && c < 3; ++c) {
    if (!std::isfinite(config.mean[c]) || !std::isfinite(config.std[c]) ||
        static_cast<float>(config.std[c]) == 0.0F) {
      fail("image_mean and image_std must be finite, and image_std not zero");
    }
  }
  if (config.rescale && (!std::isfinite(config.rescale_factor) || config.rescale_factor == 0)) {
    fail("rescale_factor must be finite and not zero");
  }
}

// The reference's PIL path: rescaled in double, rounded to float, normalised in float.
float pillow_value(const ImageConfig& config, int byte, std::size_t channel) {
  auto x = static_cast<float>(byte);
  if (config.rescale) x = static_cast<float>(static_cast<double>(byte) * config.rescale_factor);
  if (!config.normalize) return x;
  return (x - static_cast<float>(config.mean[channel])) / static_cast<float>(config.std[channel]);
}

// The reference's torchvision path: float32 throughout, and the factor moved into mean and
// deviation where both steps are asked for.
float torchvision_value(const ImageConfig& config, int byte, std::size_t channel) {
  const auto x = static_cast<float>(byte);
  if (!config.normalize) {
    return config.rescale ? x * static_cast<float>(config.rescale_factor) : x;
  }
  auto mean = static_cast<float>(config.mean[channel]);
  auto deviation = static_cast<float>(config.std[channel]);
  if (config.rescale) {
    const auto inverse = static_cast<float>(1.0 / config.rescale_factor);
    mean *= inverse;
    deviation *= inverse;
  }
  return (x - mean) / deviation;
}

// The reference takes an array whose first side is 3 for channels first, so that the rows of a
// picture three pixels high become its channels. Its torchvision path knows better.
Image as_the_reference_reads(const Image& image) {
  if (image.height() != 3) return image;
  std::vector<std::uint8_t> rgb(static_cast<std::size_t>(9) *
                                static_cast<std::size_t>(image.width()));
  std::size_t i = 0;
  for (int x = 0; x < image.width(); ++x) {
    for (int channel = 0; channel < 3; ++channel) {
      for (int y = 0; y < 3; ++y) rgb[i++] = image.row(y)[3 * x + channel];
    }
  }
  return Image::adopt(std::move(rgb), 3, image.width());
}

std::vector<std::uint8_t> packed(const Image& image) {
  const auto row_bytes = static_cast<std::size_t>(3) * static_cast<std::size_t>(image.width());
  std::vector<std::uint8_t> rgb;
  rgb.reserve(row_bytes * static_cast<std::size_t>(image.height()));
  for (int y = 0; y < image.height(); ++y) {
    rgb.insert(rgb.end(), image.row(y), image.row(y) + row_bytes);
  }
  return rgb;
}

}  // namespace

ImageProcessor::ImageProcessor(const ImageConfig& config, ResizeMode mode)
    : config_(config), mode_(mode) {
  check(config_);
  for (std::size_t channel = 0; channel < 3; ++channel) {
    for (int byte = 0; byte < 256; ++byte) {
      values_[channel][static_cast<std::size_t>(byte)] =
          mode_ == ResizeMode::torchvision ? torchvision_value(config_, byte, channel)
                                           : pillow_value(config_, byte, channel);
    }
  }
}

std::vector<float> ImageProcessor::run(const Image& image) const {
  if (image.empty()) throw Error(ErrorCode::invalid_argument, "the image is empty");
  const auto height = static_cast<int>(config_.height);
  const auto width = static_cast<int>(config_.width);
  if (!config_.resize && (image.height() != height || image.width() != width)) {
    throw Error(ErrorCode::bad_image,
                "the image is " + std::to_string(image.width()) + " x " +
                    std::to_string(image.height()) + ", expected " + std::to_string(width) + " x " +
                    std::to_string(height) + ": this checkpoint does not resize",
                "resize it first, or set do_resize in preprocessor_config.json");
  }
  const Image source =
      mode_ == ResizeMode::torchvision || !config_.resize ? image : as_the_reference_reads(image);
  const std::vector<std::uint8_t> rgb =
      config_.resize ? resize_bicubic(source, height, width, mode_) : packed(source);

  const std::size_t plane = rgb.size() / 3;
  std::vector<float> planar(rgb.size());
  for (std::size_t i = 0; i < plane; ++i) {
    for (std::size_t channel = 0; channel < 3; ++channel) {
      planar[channel * plane + i] = values_[channel][rgb[3 * i + channel]];
    }
  }
  return planar;
}

}  // namespace instructblip
