#include "cli/pictures.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <span>
#include <system_error>
#include <utility>

#include "cli/failure.h"
#include "cli/text_input.h"
#include "options/argument.h"

namespace instructblip::cli {
namespace {

constexpr std::int64_t kHeldBytes = 256 << 20;  // decoded pictures; the last one may exceed it
constexpr std::size_t kInputBytes = 1 << 30;    // standard input; the library has its own limit
constexpr std::string_view kInput = "-";

std::string read_picture_from_input() {
  if (::isatty(STDIN_FILENO) == 1) {
    throw Failure(ExitCode::usage,
                  "--image -: expected a picture on standard input, got a terminal\n  hint: "
                  "instructblip ... --image - < picture.jpg");
  }
  return read_standard_input(kInputBytes);
}

// <(...): open already, so that reading it waits for nothing but what is written into it.
bool is_shell_pipe(const std::string& name) {
  std::error_code unknown;
  return (name.starts_with("/dev/fd/") || name.starts_with("/proc/self/fd/") ||
          name == "/dev/stdin") &&
         std::filesystem::is_fifo(name, unknown);
}

// A pipe with a name of its own may wait for ever.
void refuse_pipe(const std::string& name) {
  std::error_code unknown;
  if (!std::filesystem::is_fifo(name, unknown)) return;
  throw Failure(ExitCode::image, name + ": expected a file, got a pipe\n  hint: --image - < " +
                                     options::quote(name) + " reads a picture from it");
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

void check_video_options(const Settings& settings) {
  constexpr std::int64_t kMany = 1 << 30;
  during(Stage::request, [&] { sample_frames(kMany, settings.video); });
}

std::vector<std::string> files_of_video(const std::vector<std::string>& names) {
  std::error_code unknown;
  if (names.size() > 1 || !std::filesystem::is_directory(names.front(), unknown)) return names;
  return list_pictures({{PictureSource::Kind::picture, names.front()}}, [](const auto&) {}).names;
}

Picture read_video(const std::vector<std::string>& names, const Settings& settings) {
  VideoOptions options = settings.video;
  options.limits = settings.decode;
  std::error_code unknown;
  const std::string& name = names.front();
  if (names.size() == 1 && !std::filesystem::is_directory(name, unknown)) {
    refuse_address(name);
    const Video video = Video::read(name, options);
    return {{video.frames().begin(), video.frames().end()},
            {video.places().begin(), video.places().end()}};
  }
  const std::vector<std::string> files = files_of_video(names);
  const std::int64_t total = std::ssize(files);
  if (names.size() > 1) options = {.frames = static_cast<int>(total)};
  if (total < options.frames) {
    throw Failure(ExitCode::image, name + ": the video has " + std::to_string(total) +
                                       (total == 1 ? " frame" : " frames") + ", expected " +
                                       std::to_string(options.frames) +
                                       " at least\n  hint: ask for fewer: --frames");
  }
  Picture video{{}, sample_frames(total, options)};
  for (const std::int64_t place : video.places) {
    video.images.push_back(Image::open(files[static_cast<std::size_t>(place)], settings.decode));
  }
  return video;
}

Pictures::Pictures(PictureList list, Session& session)
    : list_(std::move(list)), settings_(session.settings) {
  check_video_options(settings_);
  const VideoOptions &video = settings_.video, usual;
  const bool is_chosen =
      video.frames != usual.frames || video.sampling != usual.sampling || video.seed != usual.seed;
  if (is_chosen && !list_.are_videos) {
    session.warn("--frames, --sampling and --frame-seed have no effect without --video");
  }
  for (const std::string& name : list_.names) {
    if (list_.are_videos) break;
    if (piped_.contains(name)) continue;
    if (name == kInput) piped_.emplace(name, read_picture_from_input());
    if (is_shell_pipe(name)) piped_.emplace(name, read_to_end(name, kInputBytes));
  }
  if (session.settings.keep_going) return;
  if (size() > 1 && takes(session.command, "keep-going")) {
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
      for (const Image& image : held_.back().images) {
        held_bytes += std::int64_t{3} * image.width() * image.height();
      }
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
  Picture picture = reading([&] {
    return list_.are_videos ? read_video({name}, settings_) : Picture{{decode(name)}, {}};
  });
  picture.decode_ms =
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  return picture;
}

Image Pictures::decode(const std::string& name) const {
  refuse_address(name);
  const auto piped = piped_.find(name);
  if (piped == piped_.end()) {
    refuse_pipe(name);
    return Image::open(name, settings_.decode);
  }
  return Image::decode(std::as_bytes(std::span(piped->second)), settings_.decode,
                       name == kInput ? "standard input" : name);
}

void Pictures::check(const std::string& name) const {
  if (piped_.contains(name))
    return;  // decoded when its turn comes, as damage behind a head is found
  refuse_address(name);
  // The heads of videos tell little: one that is not there is found, the others when they are read.
  std::error_code unknown;
  if (list_.are_videos && std::filesystem::exists(name, unknown)) return;
  reading([&] { Image::check(name, settings_.decode); });
}

}  // namespace instructblip::cli
