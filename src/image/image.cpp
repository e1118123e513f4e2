#include "instructblip/image.h"

#include <cstring>
#include <limits>
#include <new>
#include <string>
#include <system_error>

#include "core/errors.h"
#include "core/file.h"
#include "core/limits.h"
#include "image/codec.h"

namespace instructblip {
namespace {

void check_view(const void* rgb, int width, int height, std::ptrdiff_t row_stride) {
  const auto fail = [](const std::string& what) { throw Error(ErrorCode::invalid_argument, what); };
  if (width < 1 || height < 1 || width > limits::kLongestSide || height > limits::kLongestSide) {
    fail("an image of " + std::to_string(width) + " x " + std::to_string(height) +
         " pixels, expected sides of 1 to " + std::to_string(limits::kLongestSide));
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
  const auto check = [](const std::string& name, std::int64_t value, std::int64_t most) {
    if (value >= 1 && value <= most) return;
    throw Error(ErrorCode::invalid_argument,
                name + " is " + std::to_string(value) + ", expected at least 1" +
                    (value < 1 ? "" : " and at most " + std::to_string(most)));
  };
  constexpr std::int64_t kAny = std::numeric_limits<std::int64_t>::max();
  check("max_pixels", options.max_pixels, kAny);
  check("max_side", options.max_side, limits::kLongestSide);
  check("max_bytes", options.max_bytes, kAny);
}

void check_bytes(const EncodedImage& image, std::int64_t size, const ImageOptions& options) {
  if (size > options.max_bytes) {
    image.fail_limit(std::to_string(size) + " bytes", std::to_string(options.max_bytes),
                     "max_bytes");
  }
}

// What is wrong with a file otherwise is said by who reads it.
void check_bytes_of(const std::filesystem::path& file, const std::string& name,
                    const ImageOptions& options) {
  std::error_code none;
  const std::uintmax_t size = std::filesystem::file_size(file, none);
  if (!none) check_bytes({{}, name}, static_cast<std::int64_t>(size), options);
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
  check_bytes(image, std::ssize(bytes), options);
  Pixels pixels = decode_image(image, options);
  const std::shared_ptr<const std::uint8_t[]> owner(std::move(pixels.samples));
  return {std::shared_ptr<const std::uint8_t>(owner, owner.get()), pixels.width, pixels.height};
}

}  // namespace

Image Image::open(const std::filesystem::path& file, const ImageOptions& options) {
  const std::string name = printable(file.string());
  try {
    check_options(options);
    check_bytes_of(file, name, options);
    const std::string content = read_file(file, options.max_bytes, ErrorCode::bad_image);
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
    check_bytes_of(file, name, options);
    const std::string head = read_start(file, kHeadBytes, options.max_bytes, ErrorCode::bad_image);
    try {
      return look_at(head);
    } catch (const Error&) {
      if (std::ssize(head) < kHeadBytes) throw;
    }
    look_at(read_file(file, options.max_bytes, ErrorCode::bad_image));
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
