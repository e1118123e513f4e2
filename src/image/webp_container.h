// The RIFF container of WebP: where its first picture lies.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "image/codec.h"

namespace instructblip {

struct WebpContainer {
  std::uint32_t width = 0, height = 0;  // size of the canvas
  bool animated = false;
  bool has_alpha = false;  // as the extended header says; always true without one

  // The first frame: its place on the canvas and its chunks.
  std::uint32_t left = 0, top = 0, frame_width = 0, frame_height = 0;
  std::string_view image_name;               // "VP8 " or "VP8L"
  std::span<const std::uint8_t> image_data;  // data of that chunk
  std::span<const std::uint8_t> alpha_data;  // data of ALPH; empty where there is none

  std::span<const std::uint8_t> exif, xmp;
};

// Throws Error(bad_image).
WebpContainer read_webp_container(const EncodedImage& image);

// The first frame as a WebP file of its own, without anything else.
std::string single_frame_file(const WebpContainer& container);

}  // namespace instructblip
