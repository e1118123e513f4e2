#include "image/image_processor.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <string>
#include <utility>

#include "core/limits.h"
#include "image/padded_square.h"
#include "image/resize.h"
#include "instructblip/error.h"

namespace instructblip {
namespace {

constexpr int kBicubic = 3;  // PIL's number

[[noreturn]] void fail(const std::string& what) {
  throw Error(ErrorCode::bad_model, "image settings (preprocessor_config.json): " + what);
}

void check(const ImageConfig& config) {
  const auto check_side = [&](std::int64_t side, const std::string& of) {
    if (side >= 1 && side <= limits::kImageSide) return;
    fail(of + " is " + std::to_string(side) + ", expected 1 to " +
         std::to_string(limits::kImageSide));
  };
  check_side(config.height, "height");
  check_side(config.width, "width");
  if (config.resize && config.shortest_edge != 0) check_side(config.shortest_edge, "shortest_edge");
  if (config.resize && config.center_crop && config.shortest_edge == 0) {
    check_side(config.resized_height, "resized_height");
    check_side(config.resized_width, "resized_width");
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
  for (const double part : config.mean) {
    if (config.pad_to_square && !(part >= 0 && part <= 1)) {
      fail("image_mean must be from 0 to 1 to become the colour of a margin");
    }
  }
  for (const PictureSize& size : config.grid) {
    check_side(size.height, "the height of a grid's resolution");
    check_side(size.width, "the width of a grid's resolution");
    if (config.tile_side < 1 || size.height % config.tile_side != 0 ||
        size.width % config.tile_side != 0) {
      fail("the resolutions of a grid must be multiples of its tiles' side");
    }
  }
  if (!config.grid.empty()) {
    check_side(config.whole.height, "the height of the whole picture");
    check_side(config.whole.width, "the width of the whole picture");
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

// torchvision.transforms: ToTensor, then Normalize, in float32.
float to_tensor_value(const ImageConfig& config, int byte, std::size_t channel) {
  const float x = static_cast<float>(byte) / 255.0F;
  return (x - static_cast<float>(config.mean[channel])) / static_cast<float>(config.std[channel]);
}

float value_of(const ImageConfig& config, ResizeMode mode, int byte, std::size_t channel) {
  if (config.as_torchvision_transforms) return to_tensor_value(config, byte, channel);
  return mode == ResizeMode::torchvision ? torchvision_value(config, byte, channel)
                                         : pillow_value(config, byte, channel);
}

// Transformers 4 takes an array whose first side is 3 for channels first, so that the rows of a
// picture three pixels high become its channels. Its torchvision path knows better.
Image as_transformers_4_reads(const Image& image) {
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

// A video one pixel high is an array [T, 1, W, 3], which the reference reads as channels, rows and
// columns: W rows of three grey pixels.
Image as_one_channel(const Image& image) {
  std::vector<std::uint8_t> rgb;
  rgb.reserve(static_cast<std::size_t>(9) * static_cast<std::size_t>(image.width()));
  for (int i = 0; i < 3 * image.width(); ++i) rgb.insert(rgb.end(), 3, image.row(0)[i]);
  return Image::adopt(std::move(rgb), 3, image.width());
}

ResizeMode effective(ResizeMode asked, const ImageConfig& config) {
  if (asked != ResizeMode::automatic) return asked;
  return config.by_torchvision ? ResizeMode::torchvision : ResizeMode::pillow13;
}

// `rgb` of `size` with the picture put over its middle; an odd margin has its larger half below and
// on the right.
Image in_the_middle(const Image& image, std::vector<std::uint8_t> rgb, const PictureSize& size) {
  const std::int64_t top = (size.height - image.height()) / 2;
  const std::int64_t left = (size.width - image.width()) / 2;
  for (int y = 0; y < image.height(); ++y) {
    std::memcpy(&rgb[static_cast<std::size_t>(3 * ((top + y) * size.width + left))], image.row(y),
                std::size_t{3} * static_cast<std::size_t>(image.width()));
  }
  return Image::adopt(std::move(rgb), static_cast<int>(size.width), static_cast<int>(size.height));
}

Image resized(const Image& image, const PictureSize& size, const ResizeBy& by) {
  const auto height = static_cast<int>(size.height), width = static_cast<int>(size.width);
  return Image::adopt(resize_bicubic(image, height, width, by), width, height);
}

Image on_black(const Image& image, const PictureSize& size) {
  return in_the_middle(
      image, std::vector<std::uint8_t>(static_cast<std::size_t>(3 * size.height * size.width), 0),
      size);
}

// Where the result's positions along one axis come from: `kept` of what is cropped, put down at
// `at`. The rest is a margin.
struct Placement {
  PixelRange kept;
  int at;
};

// transformers/image_transforms.py, center_crop(), and the fast processors' own. They differ in the
// half pixel by which a margin is uneven.
Placement centered(int from, int to, ResizeMode mode) {
  if (from >= to) {
    const int begin = (from - to) / 2;
    return {{begin, begin + to}, 0};
  }
  const int margin = mode == ResizeMode::torchvision ? (to - from) / 2 : (to - from + 1) / 2;
  return {{0, from}, margin};
}

// torchvision.transforms.CenterCrop: Python's round(), to the even one of two. Nothing is too small
// for it here.
Placement centered_as_torchvision(int from, int to) {
  const int spare = from - to;
  const int begin = spare % 4 == 3 ? (spare + 1) / 2 : spare / 2;
  return {{begin, begin + to}, 0};
}

std::vector<std::uint8_t> packed(const Image& image, const PixelWindow& window) {
  const auto row_bytes = static_cast<std::size_t>(3 * window.columns.size());
  std::vector<std::uint8_t> rgb;
  rgb.reserve(row_bytes * static_cast<std::size_t>(window.rows.size()));
  for (int y = window.rows.begin; y < window.rows.end; ++y) {
    const std::uint8_t* begin = image.row(y) + std::ptrdiff_t{3} * window.columns.begin;
    rgb.insert(rgb.end(), begin, begin + row_bytes);
  }
  return rgb;
}

Image tile_of(const Image& image, std::int64_t top, std::int64_t left, std::int64_t side) {
  const auto range = [side](std::int64_t begin) {
    return PixelRange{static_cast<int>(begin), static_cast<int>(begin + side)};
  };
  const int length = static_cast<int>(side);
  return Image::adopt(packed(image, {range(top), range(left)}), length, length);
}

}  // namespace

ImageProcessor::ImageProcessor(const ImageConfig& config, ResizeMode mode)
    : config_(config), mode_(effective(mode, config)) {
  check(config_);
  if (config_.whole_is_square && mode_ != ResizeMode::torchvision) {
    const std::int64_t side = std::min(config_.whole.height, config_.whole.width);
    config_.whole = {side, side};
  }
  for (std::size_t channel = 0; channel < 3; ++channel) {
    for (int byte = 0; byte < 256; ++byte) {
      const float value = value_of(config_, mode_, byte, channel);
      if (!std::isfinite(value)) {
        fail("image_mean, image_std and rescale_factor make a byte of " + std::to_string(byte) +
             " no finite number");
      }
      values_[channel][static_cast<std::size_t>(byte)] = value;
    }
  }
}

Sides ImageProcessor::resized_size(const Sides& from) const {
  if (!config_.resize) return from;
  if (config_.shortest_edge == 0) {
    return config_.center_crop
               ? Sides{static_cast<int>(config_.resized_height),
                       static_cast<int>(config_.resized_width)}
               : Sides{static_cast<int>(config_.height), static_cast<int>(config_.width)};
  }
  // transformers/image_transforms.py, get_resize_output_image_size(): a quotient of doubles, cut.
  const std::int64_t edge = config_.shortest_edge;
  const std::int64_t shorter = std::min(from.height, from.width);
  const std::int64_t longer = std::max(from.height, from.width);
  const auto other =
      static_cast<std::int64_t>(static_cast<double>(edge * longer) / static_cast<double>(shorter));
  if (other > limits::kResizedSide) {
    throw Error(ErrorCode::bad_image,
                "the image is " + std::to_string(from.width) + " x " + std::to_string(from.height) +
                    ", whose longer side becomes " + std::to_string(other) +
                    " pixels where the shorter one is resized to " + std::to_string(edge) +
                    ", expected at most " + std::to_string(limits::kResizedSide));
  }
  const auto a = static_cast<int>(edge);
  const auto b = static_cast<int>(other);
  return from.width <= from.height ? Sides{b, a} : Sides{a, b};
}

Image ImageProcessor::as_read(const Image& image) const {
  if (image.empty()) throw Error(ErrorCode::invalid_argument, "the image is empty");
  if (config_.one_row_is_a_channel) {
    return image.height() == 1 ? as_one_channel(image) : as_transformers_4_reads(image);
  }
  return mode_ == ResizeMode::torchvision || !config_.three_rows_are_channels
             ? image
             : as_transformers_4_reads(image);
}

// transformers/video_processing_utils.py, sample_frames(): torch.arange(0, frames, frames / count).
std::vector<std::size_t> ImageProcessor::picked(std::size_t frames) const {
  const auto count = static_cast<std::size_t>(config_.picked_frames);
  if (frames < count && frames > 0) {
    throw Error(ErrorCode::invalid_argument,
                "the video has " + std::to_string(frames) + " frames, expected " +
                    std::to_string(count) + " or more, of which so many are looked at",
                "give more frames, or set do_sample_frames to false in the settings of the video "
                "processor");
  }
  std::vector<std::size_t> picked(count == 0 ? frames : std::min(count, frames));
  const double step = static_cast<double>(frames) / static_cast<double>(picked.size());
  for (std::size_t i = 0; i < picked.size(); ++i) {
    picked[i] = static_cast<std::size_t>(static_cast<float>(static_cast<double>(i) * step));
  }
  return picked;
}

PictureSize ImageProcessor::size_of(const Image& image) const {
  const Image source = as_read(image);
  return {source.height(), source.width()};
}

ImageProcessor::Part ImageProcessor::shown_part(const Image& image) const {
  const Image source = as_read(image);
  const int side = std::max(source.width(), source.height());
  const Sides from =
      config_.pad_to_square ? Sides{side, side} : Sides{source.height(), source.width()};
  const Sides size = resized_size(from);
  const double x = static_cast<double>(from.width) / size.width;
  const double y = static_cast<double>(from.height) / size.height;
  const auto width = static_cast<double>(config_.width),
             height = static_cast<double>(config_.height);
  const double margin_x = (from.width - source.width()) / 2.0;
  const double margin_y = (from.height - source.height()) / 2.0;
  return {(size.width - width) / 2 * x - margin_x, (size.height - height) / 2 * y - margin_y,
          width * x, height * y};
}

// transformers/models/llava_next/image_processing_llava_next.py, get_image_patches().
std::vector<Image> ImageProcessor::views_of(const Image& source, kernels::Queue& queue) const {
  const ResizeBy by(mode_, &queue);
  const PictureSize size = {source.height(), source.width()};
  const PictureSize resolution = best_resolution(size, config_.grid);
  const Image large = on_black(resized(source, fitted(size, resolution), by), resolution);
  std::vector<Image> views = {resized(source, config_.whole, by)};
  const std::int64_t side = config_.tile_side;
  for (std::int64_t top = 0; top < resolution.height; top += side) {
    for (std::int64_t left = 0; left < resolution.width; left += side) {
      views.push_back(tile_of(large, top, left, side));
    }
  }
  return views;
}

std::vector<float> ImageProcessor::run(const Image& image) const {
  kernels::SerialQueue serial;
  const std::vector<std::uint8_t> in = bytes(image, serial);
  std::vector<float> values(in.size());
  const std::int64_t pixels = height() * width();
  kernels::look_up_pixels(values_, std::ssize(in) / 3 / pixels, pixels, {in.data(), values.data()},
                          serial);
  return values;
}

std::vector<std::uint8_t> ImageProcessor::bytes(const Image& image, kernels::Queue& queue) const {
  const Image source = as_read(image);
  std::vector<std::uint8_t> bytes;
  if (config_.grid.empty()) {
    if (config_.pad_to_square) {
      append_padded(source, queue, bytes);
    } else {
      append(source, queue, bytes);
    }
    return bytes;
  }
  for (const Image& view : views_of(source, queue)) append(view, queue, bytes);
  return bytes;
}

void ImageProcessor::append(const Image& source, kernels::Queue& queue,
                            std::vector<std::uint8_t>& out) const {
  const auto cut = [&](const Sides& size, const PixelWindow& window) {
    return config_.resize ? resize_bicubic(source, size.height, size.width, {mode_, &queue}, window)
                          : packed(source, window);
  };
  append({source.height(), source.width()}, cut, out);
}

void ImageProcessor::append_padded(const Image& source, kernels::Queue& queue,
                                   std::vector<std::uint8_t>& out) const {
  std::array<std::uint8_t, 3> color{};
  for (std::size_t channel = 0; channel < color.size(); ++channel) {
    color[channel] = static_cast<std::uint8_t>(config_.mean[channel] * 255);
  }
  const PaddedSquare square(source, color);
  const auto cut = [&](const Sides& size, const PixelWindow& window) {
    return config_.resize ? square.resized(size.height, size.width, {mode_, &queue}, window)
                          : square.part(window);
  };
  append({square.side(), square.side()}, cut, out);
}

void ImageProcessor::append(const Sides& from, const Cut& cut,
                            std::vector<std::uint8_t>& out) const {
  const auto height = static_cast<int>(config_.height);
  const auto width = static_cast<int>(config_.width);
  const Sides size = resized_size(from);
  if (!config_.center_crop && (size.height != height || size.width != width)) {
    throw Error(ErrorCode::bad_image,
                "the image " + std::string(config_.resize ? "becomes " : "is ") +
                    std::to_string(size.width) + " x " + std::to_string(size.height) +
                    ", expected " + std::to_string(width) + " x " + std::to_string(height) +
                    ": this checkpoint does not " + (config_.resize ? "crop" : "resize"),
                "give pictures of that size; the settings are those of preprocessor_config.json, "
                "which has to be the one that this checkpoint was trained with");
  }
  const auto place = [this](int in_side, int out_side) {
    return config_.as_torchvision_transforms ? centered_as_torchvision(in_side, out_side)
                                             : centered(in_side, out_side, mode_);
  };
  const Placement rows = place(size.height, height);
  const Placement columns = place(size.width, width);
  const PixelWindow window{rows.kept, columns.kept};
  std::vector<std::uint8_t> rgb = cut(size, window);
  const std::size_t all =
      std::size_t{3} * static_cast<std::size_t>(height) * static_cast<std::size_t>(width);
  if (rgb.size() == all && out.empty()) {  // one view without a margin
    out = std::move(rgb);
    return;
  }
  const std::size_t first = out.size();
  out.resize(first + all);
  const auto kept = static_cast<std::size_t>(3 * columns.kept.size());
  for (int y = 0; y < rows.kept.size(); ++y) {
    const std::ptrdiff_t at = std::ptrdiff_t{rows.at + y} * width + columns.at;
    std::memcpy(out.data() + first + static_cast<std::size_t>(3 * at),
                rgb.data() + static_cast<std::size_t>(y) * kept, kept);
  }
}

}  // namespace instructblip
