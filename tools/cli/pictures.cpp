#include "cli/pictures.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <span>
#include <utility>

#include "cli/failure.h"
#include "cli/text_input.h"

namespace instructblip::cli {
namespace {

constexpr std::int64_t kHeldBytes = 256 << 20;  // of decoded pictures; the last one may exceed it
constexpr std::size_t kInputBytes = 1 << 30;    // of standard input; the library has its own limit
constexpr std::string_view kInput = "-";

std::string read_picture_from_input() {
  if (::isatty(STDIN_FILENO) == 1) {
    throw Failure(ExitCode::usage,
                  "--image -: expected a picture on standard input, got a terminal\n  hint: "
                  "instructblip ... --image - < picture.jpg");
  }
  return read_standard_input(kInputBytes);
}

// What other programs download.
void refuse_address(const std::string& name) {
  if (!name.starts_with("http://") && !name.starts_with("https://")) return;
  throw Failure(ExitCode::image, name +
                                     ": expected a file, got an address\n  hint: download the "
                                     "picture first: nothing is fetched");
}

}  // namespace

PictureList list_pictures(Session& session) {
  return list_pictures(session.settings.pictures,
                       [&](const std::string& message) { session.warn(message); });
}

Pictures::Pictures(PictureList list, Session& session)
    : list_(std::move(list)), options_(session.settings.decode) {
  if (std::ranges::find(list_.names, kInput) != list_.names.end()) {
    input_ = read_picture_from_input();
  }
  if (session.settings.keep_going) return;
  if (size() > 1 && session.settings.may_keep_going) {
    way_on_ = "\n  hint: with --keep-going a picture that cannot be read does not end the command";
  }
  look_ahead(session.progress);
}

void Pictures::look_ahead(Progress& progress) {
  progress.begin("reading", Progress::Unit::pictures);
  std::int64_t held_bytes = 0;
  for (std::size_t i = 0; i < size(); ++i) {
    if (held_bytes <= kHeldBytes) {
      held_.push_back(open(name(i)));
      const Image& image = held_.back().image;
      held_bytes += std::int64_t{3} * image.width() * image.height();
    } else {
      check(name(i));
    }
    progress.update(static_cast<std::int64_t>(i + 1), static_cast<std::int64_t>(size()));
  }
  progress.end();
}

Picture Pictures::take(std::size_t index) {
  return index < held_.size() ? std::exchange(held_[index], {}) : open(name(index));
}

template <typename Work>
auto Pictures::reading(Work&& work) const {
  try {
    return during(Stage::picture, std::forward<Work>(work));
  } catch (const Failure& failure) {
    const std::string message = failure.what();
    const bool hinted = message.find("\n  hint: ") != std::string::npos;
    if (failure.code() != ExitCode::image || hinted) throw;
    throw Failure(failure.code(), message + way_on_);
  }
}

Picture Pictures::open(const std::string& name) const {
  const auto start = std::chrono::steady_clock::now();
  Picture picture;
  picture.image = reading([&] { return decode(name); });
  picture.decode_ms =
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  return picture;
}

Image Pictures::decode(const std::string& name) const {
  refuse_address(name);
  if (name != kInput) return Image::open(name, options_);
  return Image::decode(std::as_bytes(std::span(input_)), options_, "standard input");
}

void Pictures::check(const std::string& name) const {
  if (name == kInput) return;  // decoded when its turn comes, as damage behind a head is found
  refuse_address(name);
  reading([&] { Image::check(name, options_); });
}

}  // namespace instructblip::cli
