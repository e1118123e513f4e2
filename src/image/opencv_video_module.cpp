#include "core/module.h"
#include "image/opencv_video.h"

namespace instructblip {
namespace {

constexpr ModuleName kVideo = {.file = "libinstructblip_video.so",
                               .symbol = "instructblip_open_video"};

}  // namespace

std::unique_ptr<FrameReader> open_video(const char* file) {
  using Open = decltype(instructblip_open_video);
  static const auto open = reinterpret_cast<Open*>(open_module(kVideo));
  std::unique_ptr<FrameReader> reader;
  open(file, reader);
  return reader;
}

}  // namespace instructblip
