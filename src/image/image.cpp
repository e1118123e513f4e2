#include "instructblip/image.h"

#include <cstring>
#include <new>
#include <string>

#include "core/errors.h"
#include "core/file.h"
#include "core/limits.h"
#include "image/codec.h"

namespace instructblip {
namespace {

void check_view(const void* rgb, int width, int height, std::ptrdiff_t row_stride) {
  const auto fail = [](const std::string& what) { throw Error(ErrorCode::invalid_argument, what); };
  if (width < 1 || height < 1 || width > limits::kImageSide || height > limits::kImageSide) {
    fail("an image of " + std::to_string(width) + " x " + std::to_string(height) +
         " pixels, expected sides of 1 to " + std::to_string(limits::kImageSide));
  }
  if (rgb == nullptr) fail("an image without pixels: the pointer is null");
  if (row_stride < std::ptrdiff_t{3} * width) {
    fail("a row stride of " + std::to_string(row_stride) + " bytes, expected at least " +
         std::to_string(std::ptrdiff_t{3} * width) + " for " + std::to_string(width) + " pixels");
  }
}

[[noreturn]] void fail_for_memory(const std::string& what) {
  throw Error(ErrorCode::out_of_memory, what + ": no memory for its pixels");
}

// Enough for the head of most pictures: where it is not, the whole file is read.
constexpr std::int64_t kHeadBytes = 64 << 10;

EncodedImage encoded(std::span<const std::byte> bytes, std::string name) {
  return {{reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}, std::move(name)};
}

void check_options(const ImageOptions& options) {
  if (options.max_pixels >= 1) return;
  throw Error(ErrorCode::invalid_argument,
              "max_pixels is " + std::to_string(options.max_pixels) + ", expected at least 1");
}

struct Decoded {
  std::shared_ptr<const std::uint8_t> samples;
  int width;
  int height;
};

Decoded decode_named(std::span<const std::byte> bytes, std::string name,
                     const ImageOptions& options) {
  check_options(options);
  const EncodedImage image = encoded(bytes, std::move(name));
  if (std::ssize(bytes) > limits::kImageBytes) {
    image.fail_bad(std::to_string(bytes.size()) + " bytes, expected at most " +
                   std::to_string(limits::kImageBytes));
  }
  Pixels pixels = decode_image(image, options);
  const std::shared_ptr<const std::uint8_t[]> owner(std::move(pixels.samples));
  return {std::shared_ptr<const std::uint8_t>(owner, owner.get()), pixels.width, pixels.height};
}

}  // namespace

Image Image::open(const std::filesystem::path& file, const ImageOptions& options) {
  const std::string name = printable(file.string());
  try {
    const std::string content = read_file(file, limits::kImageBytes, ErrorCode::bad_image);
    Decoded decoded = decode_named(std::as_bytes(std::span(content)), name, options);
    return {std::move(decoded.samples), decoded.width, decoded.height,
            std::ptrdiff_t{3} * decoded.width};
  } catch (const std::bad_alloc&) {
    fail_for_memory(name);
  }
}

void Image::check(const std::filesystem::path& file, const ImageOptions& options) {
  check_options(options);
  const std::string name = printable(file.string());
  const auto look_at = [&](const std::string& content) {
    check_image(encoded(std::as_bytes(std::span(content)), name), options);
  };
  try {
    const std::string head =
        read_start(file, kHeadBytes, limits::kImageBytes, ErrorCode::bad_image);
    try {
      return look_at(head);
    } catch (const Error&) {
      if (std::ssize(head) < kHeadBytes) throw;
    }
    look_at(read_file(file, limits::kImageBytes, ErrorCode::bad_image));
  } catch (const std::bad_alloc&) {
    fail_for_memory(name);
  }
}

Image Image::decode(std::span<const std::byte> bytes, const ImageOptions& options,
                    std::string_view name) {
  try {
    Decoded decoded = decode_named(bytes, std::string(name), options);
    return {std::move(decoded.samples), decoded.width, decoded.height,
            std::ptrdiff_t{3} * decoded.width};
  } catch (const std::bad_alloc&) {
    fail_for_memory(std::string(name));
  }
}

Image Image::view(const std::uint8_t* rgb, int width, int height, std::ptrdiff_t row_stride) {
  if (row_stride == 0) row_stride = std::ptrdiff_t{3} * width;
  check_view(rgb, width, height, row_stride);
  // The aliasing constructor with an empty owner: a pointer that frees nothing.
  return {std::shared_ptr<const std::uint8_t>(std::shared_ptr<void>(), rgb), width, height,
          row_stride};
}

Image Image::copy_of(const std::uint8_t* rgb, int width, int height, std::ptrdiff_t row_stride) {
  const Image source = view(rgb, width, height, row_stride);
  const auto row_bytes = std::size_t{3} * static_cast<std::size_t>(width);
  try {
    std::vector<std::uint8_t> copy;
    copy.reserve(row_bytes * static_cast<std::size_t>(height));
    for (int y = 0; y < height; ++y) {
      copy.insert(copy.end(), source.row(y), source.row(y) + row_bytes);
    }
    return adopt(std::move(copy), width, height);
  } catch (const std::bad_alloc&) {
    fail_for_memory("the image");
  }
}

Image Image::adopt(std::vector<std::uint8_t> rgb, int width, int height) {
  const std::ptrdiff_t stride = std::ptrdiff_t{3} * width;
  check_view(rgb.data(), width, height, stride);
  const std::size_t expected = static_cast<std::size_t>(stride) * static_cast<std::size_t>(height);
  if (rgb.size() != expected) {
    throw Error(ErrorCode::invalid_argument, "an image of " + std::to_string(rgb.size()) +
                                                 " bytes, expected " + std::to_string(expected));
  }
  try {
    const auto owner = std::make_shared<const std::vector<std::uint8_t>>(std::move(rgb));
    return {std::shared_ptr<const std::uint8_t>(owner, owner->data()), width, height, stride};
  } catch (const std::bad_alloc&) {
    fail_for_memory("the image");
  }
}

}  // namespace instructblip
