// From a video file to the frames that are looked at.
#include <limits>
#include <string>
#include <string_view>
#include <system_error>

#include "core/boundary.h"
#include "core/errors.h"
#include "image/codec.h"
#include "image/image_info.h"
#include "image/opencv_video.h"
#include "instructblip/video.h"

namespace instructblip {
namespace {

constexpr std::string_view kDamaged = "it is damaged or cut short, copy it again";

// Names that FFmpeg would take for something else than a file, such as an address, are told here.
void check_file(const std::filesystem::path& file, const std::string& name) {
  std::error_code fault;
  const auto status = std::filesystem::status(file, fault);
  if (!std::filesystem::exists(status)) {
    throw Error(ErrorCode::not_found, name + ": cannot be opened: No such file or directory");
  }
  if (!std::filesystem::is_regular_file(status)) {
    throw Error(ErrorCode::bad_image, name + ": expected a video file, got a folder or a device");
  }
  if (std::filesystem::file_size(file, fault) == 0 && !fault) {
    throw Error(ErrorCode::bad_image, name + ": the file is empty, expected a video");
  }
}

// An absolute name: one with a colon in it would be read as an address.
std::unique_ptr<FrameReader> open_frames(const std::filesystem::path& file,
                                         const std::string& name) {
  auto reader = open_video(std::filesystem::absolute(file).c_str());
  if (reader) return reader;
  throw Error(ErrorCode::bad_image, name + ": no video that FFmpeg reads",
              "a picture goes behind --image or into Image::open(); else it is damaged, or of a "
              "kind that this machine's FFmpeg was built without");
}

// Frames of a file whose head does not say how many it has.
std::int64_t counted(FrameReader& reader) {
  std::int64_t total = 0;
  while (total < std::numeric_limits<std::int32_t>::max() && reader.skip()) ++total;
  return total;
}

Image to_rgb(const OpenCvPicture& picture) {
  std::vector<std::uint8_t> rgb(static_cast<std::size_t>(picture.width) *
                                static_cast<std::size_t>(picture.height) * 3);
  std::uint8_t* out = rgb.data();
  for (int y = 0; y < picture.height; ++y) {
    const std::uint8_t* in = picture.samples + static_cast<std::size_t>(y) * picture.row_bytes;
    for (int x = 0; x < picture.width; ++x, in += 3, out += 3) {
      out[0] = in[2];
      out[1] = in[1];
      out[2] = in[0];
    }
  }
  return Image::adopt(std::move(rgb), picture.width, picture.height);
}

Image read_frame(FrameReader& reader, const std::string& name, std::int64_t place,
                 std::int64_t total) {
  const OpenCvPicture picture = reader.next();
  if (picture.outcome == OpenCvPicture::Outcome::out_of_memory) {
    throw Error(ErrorCode::out_of_memory, name + ": no memory for frame " + std::to_string(place));
  }
  if (picture.outcome == OpenCvPicture::Outcome::decoded) return to_rgb(picture);
  throw Error(ErrorCode::bad_image, name + ": frame " + std::to_string(place) + " of " +
                                        std::to_string(total) + " cannot be read, " +
                                        std::string(kDamaged));
}

}  // namespace

Video Video::read(const std::filesystem::path& file, const VideoOptions& options) {
  return at_boundary([&] {
    const std::string name = printable(file.string());
    sample_frames(std::numeric_limits<std::int32_t>::max(), options);  // refuses wrong options
    check_file(file, name);
    auto reader = open_frames(file, name);
    const FrameReader::Head head = reader->head();
    check_size({{}, name}, {head.width, head.height, {}}, options.limits);
    std::int64_t total = head.total;
    if (total < 1) {
      total = counted(*reader);
      reader = open_frames(file, name);
    }
    if (total < 1) {
      throw Error(ErrorCode::bad_image, name + ": no frame can be read, " + std::string(kDamaged));
    }
    std::vector<Image> frames;
    std::int64_t at = 0;
    if (total < options.frames) {
      throw Error(ErrorCode::bad_image,
                  name + ": the video has " + std::to_string(total) +
                      (total == 1 ? " frame" : " frames") + ", expected " +
                      std::to_string(options.frames) + " at least",
                  "ask for fewer: VideoOptions::frames, on the command line --frames");
    }
    const std::vector<std::int64_t> places = sample_frames(total, options);
    for (const std::int64_t place : places) {
      while (at < place && reader->skip()) ++at;
      if (at < place) {
        throw Error(ErrorCode::bad_image, name + ": ends behind " + std::to_string(at) +
                                              " frames, expected " + std::to_string(total) +
                                              " as its head says, " + std::string(kDamaged));
      }
      frames.push_back(read_frame(*reader, name, place, total));
      ++at;
    }
    return Video(std::move(frames), places, total, head.frames_per_second);
  });
}

}  // namespace instructblip
