// A picture of any type, of a million pixels at most: it is decoded whole or refused.
#include "fuzz/input.h"
#include "image/codec.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace instructblip;  // NOLINT(google-build-using-namespace)
  return fuzz::refuse_or_read([&] {
    ImageOptions options;
    options.max_pixels = 1 << 20;
    const Pixels pixels = decode_image({fuzz::Input{data, size}.bytes(), "input"}, options);
    if (pixels.channels != 3 || pixels.width < 1 || pixels.height < 1) __builtin_trap();
  });
}
