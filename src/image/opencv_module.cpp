#include "core/module.h"
#include "image/opencv_codec.h"

namespace instructblip {
namespace {

constexpr ModuleName kCodecs = {.file = "libinstructblip_codecs.so",
                                .symbol = "instructblip_decode_with_opencv"};

}  // namespace

OpenCvPicture decode_with_opencv(std::span<const std::uint8_t> bytes) {
  using Decode = decltype(instructblip_decode_with_opencv);
  static const auto decode = reinterpret_cast<Decode*>(open_module(kCodecs));
  OpenCvPicture picture;
  decode(bytes.data(), bytes.size(), picture);
  return picture;
}

}  // namespace instructblip
