#include "cli/pictures.h"

#include <chrono>
#include <cstdint>
#include <utility>

#include "cli/failure.h"

namespace instructblip::cli {
namespace {

constexpr std::int64_t kKeptBytes = 256 << 20;  // decoded pictures held in memory

}  // namespace

Pictures::Pictures(std::vector<std::string> files, const ImageOptions& options)
    : files_(std::move(files)), options_(options) {
  std::int64_t kept_bytes = 0;
  for (const std::string& file : files_) {
    Picture picture = open(file);
    kept_bytes += std::int64_t{3} * picture.image.width() * picture.image.height();
    if (kept_bytes <= kKeptBytes) kept_.push_back(std::move(picture));
  }
}

Picture Pictures::get(std::size_t index) const {
  return index < kept_.size() ? kept_[index] : open(files_[index]);
}

Picture Pictures::open(const std::string& file) const {
  const auto start = std::chrono::steady_clock::now();
  Picture picture;
  picture.image = during(Stage::picture, [&] { return Image::open(file, options_); });
  picture.decode_ms =
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  return picture;
}

}  // namespace instructblip::cli
